"""The older name of hub.load_state_dict_from_url (source: torch.utils.model_zoo)."""
from flambeau.hub import load_state_dict_from_url as load_url  # noqa: F401

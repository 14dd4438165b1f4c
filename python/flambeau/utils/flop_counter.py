"""Counts of multiplications (source: torch.utils.flop_counter): see flambeau.summary."""


class FlopCounterMode:
    """NotImplementedError: flambeau.summary(model, input) counts a model's multiply-adds."""

    def __init__(self, *arguments, **options):
        raise NotImplementedError(
            "Flambeau has no FlopCounterMode: flambeau.summary(model, input) counts multiply-adds"
        )

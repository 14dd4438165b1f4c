"""conform.py without its complex64 samples: what is left of an entry is its float32, int64, bool and bfloat16 samples.

    python tests/conformance/real_dtypes.py flambeau forward backward errors      # conform.py's arguments

Complex numbers are not there yet, so an operator that is whole in every dtype that is there counts as whole here alone.
"""
import conform

every_case = conform.cases_forward


def real_cases(lib, op):
    return (case for case in every_case(lib, op) if not case[0].startswith("torch.complex"))


conform.cases_forward = real_cases

if __name__ == "__main__":
    conform.main()

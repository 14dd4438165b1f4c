"""What test_table.py finds and is not mended, or is so on purpose: test -> operator -> why."""

_TRIANGLE = "one triangle is read, and the gradient is spread over both, as PyTorch's"
_QUANTILE = "the gradient of a quantile, which PyTorch approximates, not of one seed's draw"
_DRAW = "PyTorch gives mean and std the gradient 0: a draw is a constant"
_PHASE = "vectors are determined up to a phase, which the gradient leaves alone, as PyTorch's"
_NORMALISED = "the gradient presumes that exp(log_probs) adds up to 1, as PyTorch's"
_SCATTERED = "the gradient goes where src was written, as PyTorch's, and not where it was not"
_STRIDED = "an offset counts from the storage's start, where a sample does not begin"
_RESIZED = "it shows memory as it lies, in other sizes, and refuses what asks for a gradient"
_ROUNDED = "the gradient passes through what is rounded, which is what the operator is for"
_OF_REAL_NUMBERS = dict.fromkeys(
    "fft_rfft fft_ihfft fft_rfftn fft_rfft2 fft_ihfftn fft_ihfft2".split(),
    "complex numbers are refused by a RuntimeError, as PyTorch's",
)
_ONE_TRIANGLE = dict.fromkeys(
    "linalg_cholesky_ex linalg_cholesky cholesky cholesky_solve cholesky_inverse "
    "linalg_eigvalsh linalg_eigh".split(),
    _TRIANGLE,
)

FAULTS = {
    "test_gradient": {
        **_ONE_TRIANGLE,
        "linalg_eig": _PHASE,
        "as_strided_scatter": _SCATTERED,
        "_standard_gamma": _QUANTILE,
        "_sample_dirichlet": _QUANTILE,
        **dict.fromkeys(
            ("fake_quantize_per_tensor_affine", "fake_quantize_per_tensor_affine.tensor_qparams",
             "fake_quantize_per_channel_affine"), _ROUNDED,
        ),
        **dict.fromkeys(("ctc_loss.IntList", "ctc_loss.Tensor"), _NORMALISED),
        **dict.fromkeys(
            ("normal.Tensor_Tensor", "normal.Tensor_float", "normal.float_Tensor"), _DRAW
        ),
    },
    "test_second_gradient": {**_ONE_TRIANGLE, "linalg_eig": _PHASE},
    "test_decisions": dict.fromkeys(("resize_", "resize_as_"), _RESIZED),
    "test_arguments_are_left_alone": dict.fromkeys(("resize_", "resize_as_"), _RESIZED),
    "test_strides_of_dims_of_size_one": {
        **dict.fromkeys(("resize_", "resize_as_"), _RESIZED),
        "view_as_complex": "an odd stride is refused whatever the size, as PyTorch does",
        "view_as_real": "its gradient is viewed back, where an odd stride is refused",
    },
    "test_complex_gradient": {
        "as_strided_scatter": _SCATTERED, "cholesky_solve": _TRIANGLE, **_OF_REAL_NUMBERS,
    },
    "test_dtypes": {"float_power_": "it refuses all dtypes but float64, as PyTorch"},
}

# The same for test_transforms.py.
TRANSFORM_FAULTS = {
    "test_forward_mode": {"linalg_eig": _PHASE},
    "test_complex_forward_mode": _OF_REAL_NUMBERS,
    "test_forward_over_reverse": {
        "linalg_eig": _PHASE,
    },
    "test_vmap": {
        "as_strided_scatter": _STRIDED,
        "linalg_eig": _PHASE,
    },
}

"""Models as torchvision 0.28 has them: parameter names and shapes, weights of a seed, scores."""
import hashlib
import warnings

import pytest

import flambeau as torch
from flambeau.vision import models

# The names and shapes of state_dict, and sums of |w| of the first parameter and of the last four,
# for seed 7 and ten classes.
EXPECTED = [
    ("resnet18", "c8e48128ad", 190.1985, 626.7342),
    ("resnet50", "4040d8976e", 190.0501, 2274.3069),
    ("mobilenet_v2", "06924d50e4", 56.0670, 1381.7635),
    ("mobilenet_v3_small", "18f68637b2", 40.2700, 4800.0597),
    ("efficientnet_b0", "d6e3bbad64", 54.7359, 3310.9309),
    ("efficientnet_v2_s", "a0c8b8f348", 50.1472, 3287.5314),
    ("densenet121", "f4c42af8e4", 886.1824, 1184.4048),
    ("squeezenet1_0", "852715934d", 1420.2247, 7570.2825),
    ("googlenet", "d6553e9356", 392.0517, 319.4954),
    ("inception_v3", "84ce025d22", 83.2387, 418.0030),
    ("shufflenet_v2_x1_0", "b232748ae4", 62.2895, 1184.9438),
    ("mnasnet1_0", "75ab9489b9", 54.2142, 4785.9068),
    ("regnet_y_400mf", "3bb6a5754f", 56.0907, 474.5734),
    ("regnet_x_400mf", "bd0a5367c5", 56.8432, 431.7162),
    ("swin_t", "f1b980be43", 336.7635, 891.2173),
    ("swin_v2_t", "8815b50bfc", 336.7635, 892.141),
    ("maxvit_t", "01debe4c7d", 28.6872, 4266.1621),
]
OPTIONS = {"googlenet": {"init_weights": False}, "inception_v3": {"init_weights": False}}


@pytest.mark.parametrize("name, shapes, first, last", EXPECTED, ids=lambda v: str(v))
def test_parameters(name, shapes, first, last):
    torch.manual_seed(7)
    model = models.get_model(name, num_classes=10, **OPTIONS.get(name, {}))
    entries = repr([(k, tuple(v.shape)) for k, v in model.state_dict().items()])
    assert hashlib.md5(entries.encode()).hexdigest()[:10] == shapes
    parameters = list(model.parameters())
    assert parameters[0].double().abs().sum().item() == pytest.approx(first, abs=1e-3)
    found = sum(p.double().abs().sum().item() for p in parameters[-4:])
    assert found == pytest.approx(last, rel=1e-5)


SCORES = [
    ("resnet18", [0.7645, 0.9737, 0.2193, 0.7196], 2.0263),
    ("squeezenet1_1", [0.3374, 0.0364, 0.01235, 0.986], 1.8445),
    ("shufflenet_v2_x0_5", [0.005224, 0.003252, -0.01275, 0.01502], 2.1210),
]


@pytest.mark.parametrize("name, scores, loss", SCORES)
def test_scores_and_loss(name, scores, loss):
    torch.manual_seed(7)
    model = models.get_model(name, num_classes=10)
    images = torch.randn(2, 3, 64, 64)
    assert model.eval()(images)[0, :4].tolist() == pytest.approx(scores, rel=2e-3, abs=1e-5)
    found = torch.nn.functional.cross_entropy(model.train()(images), torch.tensor([1, 3]))
    found.backward()
    assert found.item() == pytest.approx(loss, abs=2e-3)
    assert all(p.grad is not None for p in model.parameters())


def test_small_transformers():
    from flambeau.vision.models import maxvit, swin_transformer as swin

    torch.manual_seed(7)
    model = swin.SwinTransformer([4, 4], 12, [2, 2], [2, 4], [3, 3], num_classes=5,
                                 stochastic_depth_prob=0.0)
    images = torch.randn(2, 3, 44, 36)
    scores = [0.00929846, -0.0017085, 0.03375619, 0.0085972, 0.03199077]
    assert model.eval()(images)[0].tolist() == pytest.approx(scores, abs=1e-6)
    loss = torch.nn.functional.cross_entropy(model.train()(images), torch.tensor([1, 3]))
    loss.backward()
    found = sum(p.grad.double().abs().sum().item() for p in model.parameters())
    assert (loss.item(), found) == pytest.approx((1.60867631, 45.0081981), rel=1e-5)
    torch.manual_seed(7)
    model = swin.SwinTransformer([4, 4], 12, [2, 2], [2, 4], [4, 4], num_classes=5,
                                 block=swin.SwinTransformerBlockV2,
                                 downsample_layer=swin.PatchMergingV2)
    scores = [-0.06718194, 0.04233128, -0.02399148, -0.02936462, -0.07523952]
    assert model.eval()(images)[0].tolist() == pytest.approx(scores, abs=1e-6)
    torch.manual_seed(9)
    assert model.train()(images).abs().sum().item() == pytest.approx(0.45159633, rel=1e-4)
    torch.manual_seed(7)
    model = maxvit.MaxVit((64, 64), 8, 2, [8, 16], [1, 2], 4, 0.2, num_classes=5)
    images = torch.randn(2, 3, 64, 64)
    scores = [0.00327798, 0.00239761, 0.00042825, -0.00135197, 0.0019066]
    assert model.eval()(images)[0].tolist() == pytest.approx(scores, abs=1e-6)
    torch.manual_seed(9)
    assert model.train()(images).abs().sum().item() == pytest.approx(0.04380852, rel=1e-3)
    with pytest.raises(ValueError, match=r"^Input size \(5, 5\) of block 0 is not divisible"):
        maxvit.MaxVit((20, 20), 8, 2, [8], [1], 4, 0.2)


def test_programs_find_models_by_name():
    names = [n for n in models.__dict__ if n.islower() and callable(models.__dict__[n])]
    assert {"resnet18", "vgg16_bn", "alexnet"} <= set(names)
    assert {"resnet18", "resnet152", "vit_b_16"} <= set(models.list_models())
    assert models.list_models(include="vgg*_bn") == ["vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"]
    from flambeau.vision.models.resnet import BasicBlock, ResNet

    assert isinstance(ResNet(BasicBlock, [1, 1, 1, 1], num_classes=2), torch.nn.Module)
    with pytest.raises(ValueError, match="Unknown model resnet17"):
        models.get_model("resnet17")


def test_weights_stand_beside_their_models():
    from flambeau.vision.models import resnet

    assert resnet.ResNet50_Weights is models.ResNet50_Weights
    assert resnet.resnet50.__module__ == resnet.__name__
    with pytest.raises(AttributeError, match="no torchvision.models.resnet.frob yet"):
        resnet.frob


def test_weights_are_described():
    weights = models.ResNet50_Weights.DEFAULT
    assert weights is models.ResNet50_Weights.IMAGENET1K_V2
    assert repr(weights) == "ResNet50_Weights.IMAGENET1K_V2"
    assert weights.url == "https://download.pytorch.org/models/resnet50-11ad3fa6.pth"
    assert weights.meta["num_params"] == 25557032 and len(weights.meta["categories"]) == 1000
    assert models.get_weight("VGG16_Weights.IMAGENET1K_V1").meta["min_size"] == (32, 32)
    image = torch.rand(3, 300, 260)
    assert tuple(weights.transforms()(image).shape) == (3, 224, 224)


def test_weights_come_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / "squeezenet1_1-b8a52dc0.pth"
    with pytest.raises(FileNotFoundError, match="expected at " + str(path).replace("\\", ".")):
        models.squeezenet1_1(weights="DEFAULT")
    torch.manual_seed(1)
    state = models.squeezenet1_1().state_dict()
    path.parent.mkdir(parents=True)
    torch.save(state, str(path))
    with pytest.raises(RuntimeError, match=r'invalid hash value \(expected "b8a52dc0"'):
        models.squeezenet1_1(weights=models.SqueezeNet1_1_Weights.IMAGENET1K_V1)
    monkeypatch.setattr(models._api, "load_weights", lambda url, check: torch.load(str(path)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = models.squeezenet1_1(pretrained=True)
    assert "The parameter 'pretrained' is deprecated since 0.13" in str(caught[0].message)
    name = "features.0.weight"
    assert torch.equal(model.state_dict()[name], state[name])
    with pytest.raises(ValueError, match="'num_classes' expected value 1000 but got 5"):
        models.squeezenet1_1(weights="IMAGENET1K_V1", num_classes=5)

import pytest
import torch
from scipy.sparse import csr_matrix

from mlc.backbones.base import BACKBONES
from mlc.config.errors import ConfigError
from mlc.config.schema import register_configs
from mlc.data.resident import SparseRows
from mlc.launching.composing import composed


@pytest.mark.parametrize("name", [name for name in BACKBONES if BACKBONES[name].stacked])
def test_every_backbone_gives_its_width_and_starts_alike_in_any_company(name: str) -> None:
    options = BACKBONES.options(name)
    together = BACKBONES[name](6, [options] * 3, [2, 0, 1]).double().eval()
    alone = BACKBONES[name](6, [options], [0]).double().eval()
    features = torch.randn(3, 4, 6, dtype=torch.float64)
    if BACKBONES[name].takes_bags:
        rows = SparseRows(
            csr_matrix(features.abs().view(-1, 6).numpy()),
            features.device,
            features.dtype,
            bags=True,
        )
        index = torch.arange(12).view(3, 4)
        outputs, lone = together(rows[index]), alone(rows[index[1:2]])
    else:
        outputs, lone = together(features), alone(features[1:2])
    assert outputs.shape == (3, 4, together.n_outputs)
    torch.testing.assert_close(outputs[1], lone[0], rtol=1e-13, atol=1e-13)
    assert all(value.shape[0] == 3 for value in together.state_dict().values())


def test_the_command_line_has_each_backbones_optimizer() -> None:
    register_configs()
    for name in BACKBONES:
        config = composed([f"backbone={name}"])
        assert config.optimizer.name == BACKBONES[name].optimizer
    assert composed(["backbone=linear", "optimizer=sgd"]).optimizer.name == "sgd"


def test_mlp_is_its_layers_in_order() -> None:
    options = BACKBONES.options("mlp", widths=[4, 3], dropout=0.0, activation="tanh")
    network = BACKBONES["mlp"](2, [options], [0]).double()
    features = torch.randn(1, 5, 2, dtype=torch.float64)
    hidden = features
    weights = dict(network.named_parameters())
    for layer in (0, 3):
        hidden = torch.tanh(
            hidden @ weights[f"layers.{layer}.weight"] + weights[f"layers.{layer}.bias"]
        )
    torch.testing.assert_close(network(features), hidden)


@pytest.mark.parametrize("normalization", ["batch", "layer"])
@pytest.mark.parametrize("activation", ["relu", "gelu", "silu"])
def test_every_normalisation_and_activation_trains(normalization: str, activation: str) -> None:
    options = BACKBONES.options(
        "mlp", widths=[4], normalization=normalization, activation=activation
    )
    network = BACKBONES["mlp"](3, [options] * 2, [0, 1])
    network(torch.randn(2, 5, 3)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_no_widths_is_the_linear_backbone() -> None:
    network = BACKBONES["mlp"](3, [BACKBONES.options("mlp", widths=[])], [0])
    assert network.n_outputs == 3


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"dropout=1.0 is out of range: it must be at least 0 and below 1"
    ):
        BACKBONES.options("mlp", dropout=1.0)
    with pytest.raises(ConfigError, match=r"widths=\[0\]"):
        BACKBONES.options("mlp", widths=[0])


def test_separate_networks_share_nothing() -> None:
    options = BACKBONES.options(
        "mlp", widths=[4, 3], dropout=0.0, normalization="batch", separate=True
    )
    network = BACKBONES["mlp"](2, [options] * 2, [0, 1], n_labels=5).double().eval()
    features = torch.randn(2, 6, 2).double()
    before = network(features)
    assert before.shape == (2, 6, network.n_outputs) == (2, 6, 15)
    with torch.no_grad():
        for name, weights in network.named_parameters():
            # Of the second run, the third label's network in every layer.
            blocks = weights[1] if "weight" in name and weights.ndim == 4 else None
            if blocks is not None:
                blocks[2] += 1
    changed = (network(features) != before).any(dim=1)
    assert not changed[0].any()
    assert changed[1].nonzero().flatten().tolist() in ([6, 7, 8], [6, 7], [6, 8], [7, 8])


@pytest.mark.parametrize(
    ("stated", "sentence"),
    [
        ({"widths": []}, "separate=true needs a hidden layer"),
        ({"normalization": "layer"}, "would mix the separate networks"),
    ],
)
def test_what_cannot_be_separate_is_refused(stated: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        BACKBONES.options("mlp", separate=True, **stated)

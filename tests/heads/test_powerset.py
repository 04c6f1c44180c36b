import pytest
import torch

from mlc.config.errors import CapacityError
from mlc.heads.label_sets import all_label_sets, fold_marginals, label_set_index
from mlc.heads.plain import build_head


def test_index_is_most_significant_bit_first() -> None:
    targets = torch.tensor([[1, 0, 0, 1], [1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
    assert label_set_index(targets).tolist() == [9, 10, 0, 15]


@pytest.mark.parametrize("n_labels", [1, 3, 6])
def test_index_and_list_of_label_sets_are_inverse(n_labels: int) -> None:
    label_sets = all_label_sets(n_labels)
    assert label_set_index(label_sets).tolist() == list(range(2**n_labels))


def test_folding_is_the_product_with_the_bit_matrix() -> None:
    joint = torch.randn(2, 5, 32, dtype=torch.float64).softmax(dim=-1)
    torch.testing.assert_close(fold_marginals(joint, 5), joint @ all_label_sets(5).double())


def test_loss_is_cross_entropy_over_label_sets() -> None:
    head = build_head("powerset", n_features=3, n_labels=4)
    outputs = torch.randn(3, 16, dtype=torch.float64)
    targets = torch.tensor([[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]])
    expected = torch.nn.functional.cross_entropy(
        outputs, torch.tensor([9, 0, 15]), reduction="none"
    )
    torch.testing.assert_close(head.loss(outputs, targets), expected)


def test_too_many_labels_are_refused_with_numbers_and_alternatives() -> None:
    with pytest.raises(CapacityError, match=r"1,099,511,627,776 outputs need .*sigmoid"):
        build_head("powerset", n_features=64, n_labels=40)

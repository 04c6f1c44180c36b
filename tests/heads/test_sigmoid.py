import torch

from mlc.heads.plain import build_head


def test_loss_is_the_sum_of_binary_log_losses() -> None:
    head = build_head("sigmoid", n_features=2, n_labels=3)
    outputs = torch.tensor([[0.3, -2.0, 1.5]], dtype=torch.float64)
    p = 1 / (1 + (-outputs).exp())
    expected = -(p[0, 0].log() + (1 - p[0, 1]).log() + p[0, 2].log())
    torch.testing.assert_close(head.loss(outputs, torch.tensor([[1, 0, 1]]))[0], expected)
    torch.testing.assert_close(head.scores(outputs), p)

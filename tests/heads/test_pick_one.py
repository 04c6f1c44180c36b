import torch

from mlc.heads.plain import build_head


def test_expectation_is_cross_entropy_to_the_uniform_distribution_over_positives() -> None:
    head = build_head("pick_one", n_features=2, n_labels=4)
    outputs = torch.tensor([0.5, -1.0, 2.0, 0.1], dtype=torch.float64)
    targets = torch.tensor([1.0, 1.0, 0.0, 1.0], dtype=torch.float64)
    uniforms = (torch.arange(3000, dtype=torch.float64) + 0.5) / 3000
    losses = head.loss(outputs.expand(3000, -1), targets.expand(3000, -1), uniforms)
    expected = -(targets / 3 * outputs.log_softmax(dim=-1)).sum()
    torch.testing.assert_close(losses.mean(), expected)


def test_each_label_is_picked_by_its_share_of_the_uniforms() -> None:
    head = build_head("pick_one", n_features=2, n_labels=3)
    outputs = torch.tensor([[1.0, 2.0, 3.0]] * 4).double()
    targets = torch.tensor([[1, 0, 1]] * 4)
    uniforms = torch.tensor([0.0, 0.49, 0.5, 1 - 1e-12], dtype=torch.float64)
    negative_log = -outputs.log_softmax(dim=-1)
    expected = torch.stack([negative_log[0, k] for k in (0, 0, 2, 2)])
    torch.testing.assert_close(head.loss(outputs, targets, uniforms), expected)


def test_uniforms_that_round_up_to_one_pick_the_last_positive() -> None:
    head = build_head("pick_one", n_features=2, n_labels=3)
    outputs = torch.randn(1, 3)
    loss = head.loss(outputs, torch.tensor([[1, 1, 0]]), torch.tensor([1.0]))
    torch.testing.assert_close(loss, -outputs.log_softmax(dim=-1)[:, 1])


def test_a_sample_without_labels_has_no_loss() -> None:
    head = build_head("pick_one", n_features=2, n_labels=3)
    outputs = torch.randn(2, 3, requires_grad=True)
    loss = head.loss(outputs, torch.tensor([[0, 0, 0], [0, 1, 0]]))
    loss.sum().backward()
    assert loss[0] == 0
    assert outputs.grad is not None
    assert outputs.grad[0].abs().sum() == 0
    assert outputs.grad[1].abs().sum() > 0


def test_scores_sum_to_one() -> None:
    head = build_head("pick_one", n_features=2, n_labels=3)
    torch.testing.assert_close(head.scores(torch.randn(5, 3)).sum(dim=-1), torch.ones(5))


def test_its_gradient_is_that_of_softmax_uniform_plus_noise_of_known_variance() -> None:
    n_draws = 20_000
    head = build_head("pick_one", n_features=2, n_labels=5)
    uniform = build_head("softmax_uniform", n_features=2, n_labels=5)
    logits = torch.tensor([[0.3, -1.2, 0.8, 0.0, 2.0]]).double()
    targets = torch.tensor([[1, 0, 1, 1, 0]])

    drawn = logits.repeat(n_draws, 1).requires_grad_()
    uniforms = torch.rand(n_draws, generator=torch.Generator().manual_seed(0)).double()
    head.loss(drawn, targets.expand(n_draws, -1), uniforms).sum().backward()
    expected = logits.clone().requires_grad_()
    uniform.loss(expected, targets).sum().backward()
    assert drawn.grad is not None
    assert expected.grad is not None

    # The gradient is p - e_j with j uniform: each component a shifted Bernoulli variable.
    share = targets[0].double() / targets.sum()
    variance = share * (1 - share)
    off = (drawn.grad.mean(dim=0) - expected.grad[0]).abs()
    assert (off <= 4 * (variance / n_draws).sqrt() + 1e-12).all()
    # Four standard errors of a Bernoulli variable's sample variance are below 0.01 here.
    torch.testing.assert_close(drawn.grad.var(dim=0), variance, atol=0.01, rtol=0)
    picks = (drawn.grad < expected.softmax(dim=-1) - 0.5).sum(dim=0)
    deviation = (n_draws * variance).sqrt()
    assert ((picks - n_draws * share).abs() <= 4 * deviation).all()

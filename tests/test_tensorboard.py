"""What TensorBoard's own readers find in a run's log."""

from logreg.tensorboard import knobs


def test_knobs_are_the_choices_and_the_values_under_them_without_hydras_own_keys():
    config = {
        "model": {"_target_": "logreg.networks.Sequential", "weight": [0.1, -0.2], "bias": None},
        "optimizer": {"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.1},
        "data": {"source": {"_target_": "logreg.data.toy.toy"}, "shuffle": False},
        "seed": 1,
    }
    assert knobs(config, {"model": "sequential", "optimizer": "sgd", "data": "toy"}) == {
        "model": "sequential",
        "model.weight": "[0.1, -0.2]",
        "model.bias": "null",
        "optimizer": "sgd",
        "optimizer.lr": 0.1,
        "data": "toy",
        "data.shuffle": False,
        "seed": 1,
    }

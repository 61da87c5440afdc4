"""hydra/sweeper=optuna: the values of a sweep's runs are chosen by Optuna."""

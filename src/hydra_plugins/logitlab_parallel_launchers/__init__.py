"""hydra/launcher=joblib|submitit_local|submitit_slurm|ray: the batched launcher's work, in many processes or machines."""

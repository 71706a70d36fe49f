#!/bin/bash
#SBATCH --job-name=soil
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@120

# One process per GPU. SIGTERM, two minutes before the end, stores the last complete epoch; the same
# job, submitted again, resumes the run. A task that fails before all have joined ends the others.
export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
srun --kill-on-bad-exit soil-pyg train DATA --model soil --devices 4 --num-nodes 2 --out RUN

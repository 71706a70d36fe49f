#!/bin/sh
# Trains on all purchases and puts the run in the place of yesterday's.
# Usage: nightly.sh VALIDATED PURCHASES ITEMS
set -eu
validated=$1 purchases=$2 items=$3
today=$(date +%Y-%m-%d)
mkdir -p nights

soil-pyg prepare "$purchases" --items "$items" --ratios 1 0 0 --overwrite --out "nights/data-$today"
soil-pyg train "nights/data-$today" --final "$validated" --overwrite --out "nights/run-$today"
soil-pyg recommend "nights/run-$today" --users all --k 20 --out "nights/top-$today.parquet"

# In one step, so that a server finds either the old run or the new one.
ln -sfn "run-$today" nights/next
mv -T nights/next nights/current

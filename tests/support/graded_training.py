"""Train the recipe that is named, with a reward that any text earns; a script for processes of their own."""

import sys

from replay import graded, train

from rise_bench.cot import closed_loop
from rise_bench.trainers.settings.recipe_loader import load_config

closed_loop.cot_reward = graded
train(load_config(sys.argv[1]))

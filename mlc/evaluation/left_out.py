"""Linear models that are too large to be trained."""

# What stands for one in place of its metrics: how large it is.
LEFT_OUT = "train/values"
# Values of the training rows times labels above which it is; up to there it takes about a minute.
MOST_VALUES = 10**8

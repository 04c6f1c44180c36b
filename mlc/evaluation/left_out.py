"""The size limit of linear models."""

# The key of a model's size, its only entry if the model is too large to be trained.
LEFT_OUT = "train/values"
# Training values times labels; a model of this size takes about a minute.
MOST_VALUES = 10**8

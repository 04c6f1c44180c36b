"""The learning curves of a convolutional network with sigmoids, and with a softmax for each group."""

from dataclasses import replace

from experiments.one_network_or_many.curves import GROUPS

FIGURES = (
    replace(
        GROUPS,
        sweep="learned_features",
        title="By a CNN too, with one threshold a softmax for each group finds more exact sets",
    ),
)

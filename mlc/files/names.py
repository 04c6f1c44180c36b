"""Names of the files in a run's folder, and in that of a sweep."""

STATUS = "status.json"
METRICS = "metrics.json"
RULES = "rules.json"
BASELINES = "baselines.json"
PREDICTIONS = "predictions.npz"
SPLIT = "split.npz"
PREPROCESSING = "preprocessing.npz"
CARD = "data.json"
HISTORY = "history.csv"
# Of a comparison, in its sweep's folder.
ANSWER = "answer.json"
DIFFERENCES = "differences.png"
CHECKPOINT = "checkpoint.safetensors"
# TensorBoard takes a file for an event file when its name holds this, and reads them by name.
EVENTS = "events.out.tfevents"

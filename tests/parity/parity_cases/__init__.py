"""One module a model: its published parameters by our names, and how to make it from a golden file.

A module holds :obj:`PARAMETERS`, which names the published parameter of each of ours, and
:obj:`make`, which returns the model and the options of its graphs for a file's hyper-parameters and
sizes. It may hold :obj:`FEATURES`, the golden file that has the features (by default the model's
own), :obj:`MODALITIES`, their order, and :obj:`scores`, what the published scores are of ours.
"""

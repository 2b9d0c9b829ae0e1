"""learnerkit: a fastai-style high-level learner API for image experiments.

Importing this package alone is instant; `from learnerkit.all import *` brings the whole API.
"""

__version__ = "0.1.0"

"""The threshold for a door's own table: the score that a stated share of strangers exceeds. Decides nobody's identity.

The strangers are the head's own synthetic ones (`Head.strangers`), never a real person's embeddings.
"""

from __future__ import annotations

import numpy as np

from edge.recognition.gallery import Gallery

# At a target of 1 % about 80 strangers lie above the threshold: its realised share is known to +-11 % (binomial).
STRANGERS = 8192
_SEED = 20_11


def threshold_for(gallery: Gallery, target_fpir: float, strangers: int = STRANGERS) -> float:
    """The score at which `target_fpir` (0..1) of strangers would be taken for somebody of this table.

    FPIR as ISO/IEC 19795-1 and NIST IR 8271 define it: over all enrolled people at once, so it rises with the table.
    An empty table gives inf: nobody can be recognized.
    """
    if not len(gallery):
        return float("inf")
    best = gallery.best_scores(gallery.head.strangers(strangers, _SEED))
    return float(np.quantile(best, 1 - target_fpir))

"""Pictures of strangers from an operator's folder, to judge heads by: never enrolled, learned from or kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge.errors import DoorwardError, PictureError
from edge.inference.embedder import Embedder
from edge.inference.spec import Manifest, ModelSpec
from trainer.fleet_faces import embed_people
from trainer.trials import TrialPerson

_KINDS = {".jpg", ".jpeg", ".png", ".webp"}
_MOST = 1000
_NIGHT_VIEWS = 1


def strangers_of(
    folder: Path, models: Manifest, spec: ModelSpec, progress: Callable[[int, int], None]
) -> list[TrialPerson]:
    """Somebody for each picture below a folder in which a face is found, the first thousand in the order of names.

    Raises:
        DoorwardError: the folder is not there, or there is no face in it; a picture that is damaged, by name.
    """
    if not folder.is_dir():
        raise DoorwardError(f"{folder}: there is no such folder; gate.data takes one with pictures of strangers")
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in _KINDS)[:_MOST]
    try:
        seen = list(
            embed_people(
                ([file] for file in files),
                models,
                Embedder(spec),
                night_views=_NIGHT_VIEWS,
                progress=lambda done: progress(done, len(files)),
            )
        )
    except PictureError as error:
        raise DoorwardError(f"{error}; take it out of gate.data") from error
    if not seen:
        raise DoorwardError(f"{folder}: holds no picture with a face; gate.data takes pictures of strangers")
    return [TrialPerson(f"stranger-{number}", (), views.clean, views.night) for number, views in enumerate(seen)]

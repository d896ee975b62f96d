"""Views of the closed loop: what the model sees while it reconstructs an annotation."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Views:
    """Reconstructions from a chain of thought; one beside the pictures is always made.

    Attributes:
        reconstructions: Number of reconstructions in each view; rewards are their means.
        blind: Whether the annotation is also reconstructed from the chain of thought alone.
        lift: Whether it is also reconstructed beside the pictures and an empty chain of thought.
    """

    reconstructions: int = 1
    blind: bool = False
    lift: bool = False

    @property
    def options(self) -> dict[str, str]:
        """Options for the manifest."""
        views = ["picture", *(["blind"] if self.blind else []), *(["empty"] if self.lift else [])]
        return {"views": ",".join(views), "reconstructions": str(self.reconstructions)}

"""Why a label is suspicious, in sentences."""

from rise_bench.annotations.kinds import KINDS
from rise_bench.curation.audit.scores import RowScores

#: Scores below which a sentence says that a label fits badly.
LOW = 0.5


def why(row: RowScores, *, out_of_fold: bool) -> tuple[str, ...]:
    """Return sentences on what the scores of a row say.

    Args:
        row: The row.
        out_of_fold: Whether the model that answered was not trained on it.
    """
    scores, sentences = row.scores, []
    if (agreement := scores.get("answer_similarity")) is not None:
        model = "A model that was not trained on this image" if out_of_fold else "The model"
        if row.own is None:
            sentences.append(f"{model} gave no answer that can be read.")
        else:
            own = KINDS[row.gold.kind].render(row.own)
            verdict = "disagrees with" if agreement < LOW else "agrees with"
            sentences.append(f"{model} {verdict} the label (similarity {agreement:.2f}) and says {own}.")
    if (reward := scores.get("reward")) is not None:
        verdict = "do not lead back to it" if reward < LOW else "lead back to it"
        mean = f", {scores['group_mean']:.2f} on average" if "group_mean" in scores else ""
        sentences.append(f"Reasons for the label {verdict} (reward {reward:.2f} at best{mean}).")
    if (gap := scores.get("reward_gap")) is not None and abs(gap) >= 0.005:
        better = "better" if gap > 0 else "worse"
        sentences.append(f"The model's own label can be reasoned for {better} (mean reward {gap:+.2f}).")
    if (grounded := scores.get("groundedness")) is not None and grounded < 0:
        sentences.append(f"A sentence of the reasons fits other images better ({grounded:.2f}).")
    if (quality := scores.get("cleanlab")) is not None:
        sentences.append(f"cleanlab scores the label {quality:.2f}.")
    return tuple(sentences)

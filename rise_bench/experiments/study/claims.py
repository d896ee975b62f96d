"""Claims of the paper and questions of this project as data.

Two methods with the same pictures, shots and budget are compared seed by seed, mostly on the benchmark's own
metric (`paired_test`). These comparisons are exploratory; `registered_claims.json` lists those with a
verdict.
"""

from dataclasses import dataclass

from rise_bench.annotations.kinds import all_metrics


@dataclass(frozen=True, slots=True)
class Claim:
    """Claim that a method is better than another.

    Attributes:
        name: Sentence of the claim.
        table: Table of the paper; empty for a question of this project.
        better: Method that is claimed to be better.
        worse: The other method.
        number: Compared number in the results; the benchmark's own metric if empty.
    """

    name: str
    table: str
    better: str
    worse: str
    number: str = ""


#: Share of false statements in chains of thought at test; a count would favour short texts.
FALSE_SHARE = "false_share_of_cot_statements"


#: The same for the chains of thought of SFT.
KEPT_FALSE_SHARE = "false_share_of_kept_cot_statements"


#: The same for all that RISE-CoT sampled.
ROLLOUT_FALSE_SHARE = "false_share_of_rollout_statements"


CLAIMS = (
    Claim("RISE is better than its base model", "1, 2", "rise", "base"),
    Claim("RISE is better than SFT", "1, 2", "rise", "sft"),
    Claim("RISE is better than Visual-RFT", "1, 2", "rise", "visual_rft"),
    Claim("RISE, its RISE-CoT not counted, is better than VRFT", "1, 2", "rise_uncounted", "visual_rft"),
    Claim("SFT is better than the base model", "1, 2", "sft", "base"),
    Claim("SFT, a quarter of the steps, is better than the base model", "", "sft_early", "base"),
    Claim("SFT, a quarter of the steps, is better than SFT", "", "sft_early", "sft"),
    Claim("RISE is better than SFT, a quarter of the steps", "", "rise", "sft_early"),
    Claim("RISE is better than SFT, as many steps in all", "", "rise", "sft_long"),
    Claim("RISE is better than Visual-RFT, as many steps in all", "", "rise", "visual_rft_long"),
    Claim("RISE is better than Reason-RFT, as many steps in all", "", "rise", "reason_rft_best_long"),
    Claim("RISE is better with an eighth of the SFT", "", "rise_short_sft", "rise"),
    Claim("RISE with an eighth of the SFT is better than VRFT", "", "rise_short_sft", "visual_rft"),
    Claim(
        "With such answers RISE is better with an eighth of it", "", "short_own_answers", "rise_own_answers"
    ),
    Claim("With both RISE is better than VRFT", "", "short_own_answers", "visual_rft"),
    Claim("RISE is better with the answers of its teacher", "", "rise_own_answers", "rise"),
    Claim("RISE with its teacher's answers is better than VRFT", "", "rise_own_answers", "visual_rft"),
    Claim("RISE grounded is better with such answers", "", "grounded_own_answers", "grounded_as_rise"),
    Claim("With such answers RISE is better grounded", "", "grounded_own_answers", "rise_own_answers"),
    Claim("With such answers RISE grounded is better than VRFT", "", "grounded_own_answers", "visual_rft"),
    Claim("RISE is better than Reason-RFT, best of 56", "", "rise", "reason_rft_best_56"),
    Claim("Visual-RFT is better with three times the steps", "", "visual_rft_long", "visual_rft"),
    Claim("Visual-RFT is better than SFT", "1, 2", "visual_rft", "sft"),
    Claim("CoTs of RISE-CoT teach better than the base model's", "3", "rise", "r1_base_cots"),
    Claim("SFT High + RFT is better than SFT Full", "4", "rise", "sft_all"),
    Claim("SFT High + RFT is better than SFT High", "4", "rise", "rise_sft"),
    Claim("SFT High + RFT is better than RFT", "4", "rise", "visual_rft"),
    Claim("SFT High + RFT is better than SFT Full + RFT", "4", "rise", "sft_all_rft"),
    Claim("SFT Full + RFT is better than SFT Full", "4", "sft_all_rft", "sft_all"),
    Claim("The full reward is better than similarity only", "5", "rise", "similarity_only"),
    Claim("The full reward is better than none for leaks", "5", "rise", "no_leak_term"),
    Claim("The full reward is better than none for the format", "5", "rise", "no_format_term"),
    Claim("tau 0.75 is better than 0.65", "6", "rise", "tau_65"),
    Claim("tau 0.75 is better than 0.85", "6", "rise", "tau_85"),
    Claim("SFT is better than the base model in its own form", "", "sft", "base_answer_only"),
    Claim("RISE grounded is better than RISE", "", "rise_grounded", "rise"),
    Claim("With RISE's settings RISE grounded is better than RISE", "", "grounded_as_rise", "rise"),
    Claim("With its own settings it is better than RISE with them", "", "rise_grounded", "rise_as_grounded"),
    Claim("RISE is better with the settings of RISE grounded", "", "rise_as_grounded", "rise"),
    Claim("Visual-RFT is better than RISE with them", "", "visual_rft", "rise_as_grounded"),
    Claim("Less is false with RISE's settings", "", "grounded_as_rise", "rise", FALSE_SHARE),
    Claim("Less is false with those of RISE grounded", "", "rise_grounded", "rise_as_grounded", FALSE_SHARE),
    Claim("Less of what RISE grounded says is false", "", "rise_grounded", "rise", FALSE_SHARE),
    Claim("Less of what RISE says is false than of VRFT", "", "rise", "visual_rft", FALSE_SHARE),
    Claim("RISE grounded is better than Visual-RFT", "", "rise_grounded", "visual_rft"),
    Claim("Less that is false by RISE grounded than by VRFT", "", "rise_grounded", "visual_rft", FALSE_SHARE),
    Claim("Best CoTs of RISE-CoT teach better than the base model's best", "", "rise", "r1_base_best"),
    Claim("The base model's best CoTs teach better than its first", "", "r1_base_best", "r1_base_cots"),
    Claim("Less is false in what RISE grounded keeps", "", "rise_grounded", "rise", KEPT_FALSE_SHARE),
    Claim("Less is false in what the gate alone keeps", "", "grounded_reward", "rise", KEPT_FALSE_SHARE),
    Claim("Less is false in what selection alone keeps", "", "grounded_select", "rise", KEPT_FALSE_SHARE),
    Claim("RISE is better verified without the picture", "", "blind_as_rise", "rise_rescored"),
    Claim(
        "Less of what it says is false, verified without the picture",
        "",
        "blind_as_rise",
        "rise_rescored",
        FALSE_SHARE,
    ),
    Claim(
        "Less of what it trains on is false, verified without the picture",
        "",
        "blind_as_rise",
        "rise_rescored",
        KEPT_FALSE_SHARE,
    ),
    Claim(
        "Less of what RISE-CoT says is false, verified without the picture",
        "",
        "blind_as_rise",
        "rise_rescored",
        ROLLOUT_FALSE_SHARE,
    ),
    Claim("RISE is better verified with and without the picture", "", "rise_both", "rise_rescored"),
    Claim(
        "Less of what it says is false, verified with and without the picture",
        "",
        "rise_both",
        "rise_rescored",
        FALSE_SHARE,
    ),
    Claim(
        "Less of what it trains on is false, verified with and without the picture",
        "",
        "rise_both",
        "rise_rescored",
        KEPT_FALSE_SHARE,
    ),
    Claim(
        "Less of what RISE-CoT says is false, verified with and without the picture",
        "",
        "rise_both",
        "rise_rescored",
        ROLLOUT_FALSE_SHARE,
    ),
    Claim("Another writer's CoTs teach better when verified", "", "rise_foreign", "rise_foreign_all"),
    Claim("RISE's own CoTs teach better than another writer's, verified", "", "rise", "rise_foreign"),
    Claim("RISE is better with its rewards by new reconstructions", "", "rise_rescored", "rise"),
    Claim("RISE is better than Reason-RFT", "", "rise", "reason_rft"),
    Claim("RISE is better than Reason-RFT, best of 8", "", "rise", "reason_rft_best"),
    Claim("RISE is better than Reason-RFT, oracle", "", "rise", "reason_rft_oracle"),
    Claim("Reason-RFT is better with verified chains of thought", "", "reason_rft_verified", "reason_rft"),
    Claim("RISE is better than Metis-RISE", "", "rise", "metis_rise"),
    Claim("Less of what RISE says is false than of its base model", "", "rise", "base", FALSE_SHARE),
    Claim("Less of what RISE says is false than without RFT", "", "rise", "rise_sft", FALSE_SHARE),
    Claim("RISE is better than before its RFT", "", "rise", "rise_before_rft"),
    Claim("RISE hedges more than before its RFT", "", "rise_before_rft", "rise", "excess_entropy"),
    Claim("RISE hedges more than without RFT", "", "rise_sft", "rise", "excess_entropy"),
    Claim("RFT paid with 1e-2 for the 1e-10 hedges less", "", "rft_floor", "rise", "excess_entropy"),
    Claim("RFT paid with 1e-2 for the 1e-10 is better", "", "rft_floor", "rise"),
    Claim(
        "VRFT paid with 1e-2 for the 1e-10 hedges less",
        "",
        "visual_rft_floor",
        "visual_rft",
        "excess_entropy",
    ),
    Claim("VRFT paid with 1e-2 for the 1e-10 is better", "", "visual_rft_floor", "visual_rft"),
    Claim("RFT paid by the JSD for the KLD hedges less", "", "rft_jsd", "rise", "excess_entropy"),
    Claim("RFT paid by the JSD for the KLD is better", "", "rft_jsd", "rise"),
    Claim("RFT paid by half the exponent hedges less", "", "rft_upstream", "rise", "excess_entropy"),
)


def lower_is_better(number: str) -> bool:
    """Whether a smaller number is better."""
    metric = all_metrics().get(number)
    return not metric.higher_is_better if metric else number.startswith(("false_", "excess_"))

import math
import random

import pytest
from PIL import Image

pytest.importorskip("transformers")

import torch
from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

from rise_bench.models.likelihood import ground, other_images, token_log_probs
from rise_bench.models.tiny import make_tiny_model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = make_tiny_model(tmp_path_factory.mktemp("model") / "tiny", seed=3)
    model = Qwen2VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    return model, AutoProcessor.from_pretrained(folder)


def images(count):
    rng = random.Random(0)
    return [Image.new("RGB", (56, 56), tuple(rng.randrange(256) for _ in range(3))) for _ in range(count)]


TEXTS = ["The scene shows a red square.", "Dark.", "A blue circle on a dark ground. It is left of a square."]


def test_log_probs_do_not_depend_on_the_batch(tiny):
    together = token_log_probs(*tiny, images(3), TEXTS)
    alone = [token_log_probs(*tiny, [image], [text])[0] for image, text in zip(images(3), TEXTS, strict=True)]
    for a, b in zip(together, alone, strict=True):
        assert a == pytest.approx(b, abs=1e-4)


def test_empty_texts_have_no_tokens(tiny):
    assert token_log_probs(*tiny, images(2), ["", ""]) == [[], []]
    assert token_log_probs(*tiny, images(2), ["", TEXTS[1]])[0] == []


def test_log_probs_are_those_of_one_plain_forward_pass(tiny):
    """Prompt, picture and text written as one string, without padding."""
    model, processor = tiny
    image = images(1)[0]
    content = [{"type": "image"}, {"type": "text", "text": "Say."}]
    chat = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    inputs = processor(text=[chat + TEXTS[0]], images=[image], return_tensors="pt")
    with torch.inference_mode():
        logits = model(**inputs).logits[0]
    count = len(processor.tokenizer(TEXTS[0])["input_ids"])
    ids = inputs["input_ids"][0]
    expected = logits[:-1].log_softmax(-1).gather(-1, ids[1:, None])[-count:, 0].tolist()
    assert token_log_probs(model, processor, [image], [TEXTS[0]], prompt="Say.")[0] == pytest.approx(
        expected, abs=1e-4
    )


def test_groundedness_of_a_text_and_its_sentences(tiny):
    pictures = images(3)
    scores = ground(*tiny, pictures, TEXTS, other_images(pictures, swaps=2))
    assert [len(s.sentences) for s in scores] == [1, 1, 2]
    for text, score in zip(TEXTS, scores, strict=True):
        assert score.sentences[0][0] == 0 and score.sentences[-1][1] == len(text)
    assert scores == ground(*tiny, pictures, TEXTS, other_images(pictures, swaps=2))  # seeded


def test_one_picture_has_no_other(tiny):
    image = images(1)[0]
    with pytest.raises(ValueError, match="only 1"):
        other_images([image, image], swaps=1)


def test_all_texts_share_the_other_pictures_but_for_their_own():
    pictures = images(6)
    others = other_images([*pictures, pictures[0]], swaps=3, seed=2)
    pool = {id(picture) for chosen in others for picture in chosen}
    assert len(pool) == 4 and others[0] == others[-1]
    for picture, chosen in zip(pictures, others, strict=False):
        assert len({id(other) for other in chosen}) == 3 and all(other is not picture for other in chosen)


def test_groundedness_is_the_information_of_sentences_whose_log_p_is_summed(tiny):
    """Beside plain sums over the tokens of `TEXTS[2]`, whose sentences a full stop ends."""
    pictures, text = images(4), TEXTS[2]
    logs = [token_log_probs(*tiny, [picture], [text])[0] for picture in pictures]
    count = len(tiny[1].tokenizer("A blue circle on a dark ground.")["input_ids"])
    first, second = ([sum(row[part]) for row in logs] for part in (slice(count), slice(count, None)))
    expected = [
        own - math.log(sum(math.exp(other) for other in others) / 3) for own, *others in (first, second)
    ]
    (score,) = ground(*tiny, pictures[:1], [text], [pictures[1:]], batch=3)
    assert [value for *_, value in score.sentences] == pytest.approx(expected, abs=1e-3)

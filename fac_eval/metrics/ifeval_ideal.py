"""Writes a text that follows the instructions of an IFEval item, for the model that must score the maximum.

A draft gets the fixed parts that the instructions ask for (title, postscript, ...), then grows one unit at a
time (a sentence, a bullet, a keyword, ...) until each lower limit is reached. Whether the result follows
everything is decided by the real checkers; if it does not, the next style of filler is tried.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fac_eval.metrics.ifeval import check_ifeval
from fac_eval.metrics.ifeval_checks import Instruction, InstructionError, read_instruction

# No comma, no capital word and no stop inside a unit, and for every letter sentences without it.
_LONG = (
    "The river bends slowly around the old stone mill",
    "Our garden smells of roses after the storm",
    "Two friends share warm bread under the apple tree",
    "Their son enjoys long evenings by the fire",
    "Many small birds sing in our oak at noon",
    "The moon rises over the silent hills",
    "Our boat rests by the old dock",
    "The little train waits in the rain",
    "Her brother likes cold milk with fresh bread",
    "The baker warmed the bread before dawn",
    "His dog runs along that dusty road at dawn",
    "Our neighbour makes warm bread and dark jam",
    "Light snow falls on the quiet fields",
    "The farmer plants wheat in spring",
    "They walk home together while the bells ring",
    "The music stops before sunrise",
    "Wind and rain pass without any warning",
    "The moon looks calm and pale tonight",
    "Every lamp on our square glows for hours",
    "She gave her cousin seven green pears",
)
_SHORT = (
    "We sing",
    "They run home",
    "The sun sets",
    "Birds fly by",
    "She walks on",
    "Our bread is warm",
    "This is good",
    "The moon shone",
    "You all know it",
)
_WORDS = (
    "river",
    "garden",
    "bread",
    "music",
    "the",
    "stone",
    "window",
    "market",
    "cloud",
    "plum",
    "sky",
    "oak",
    "lamp",
    "hill",
    "friendship",
)
# fmt: off
_LETTER_WORDS = {word[0]: word for word in (
    "anagram", "bubble", "circus", "dreaded", "evergreen", "fluffy", "giggling", "hush", "initial", "jujube",
    "kick", "lilac", "minimum", "noon", "outdoor", "pepper", "queue", "roar", "sisters", "tattoo", "unusual",
    "vivid", "wow", "xerox", "yearly", "zigzag",
)}
# fmt: on
_FILLER_IN = {
    "ar": "الطقس جميل اليوم ونحن نمشي في الحديقة مع الأصدقاء",
    "bg": "Днес времето е хубаво и ние се разхождаме в парка с приятели",
    "bn": "আজ আবহাওয়া সুন্দর এবং আমরা বন্ধুদের সাথে পার্কে হাঁটছি",
    "de": "Heute ist das Wetter schön und wir gehen mit Freunden im Park spazieren",
    "es": "Hoy hace buen tiempo y paseamos por el parque con nuestros amigos",
    "fa": "امروز هوا خوب است و ما با دوستان خود در پارک قدم می‌زنیم",
    "fi": "Tänään on kaunis ilma ja kävelemme puistossa ystävien kanssa",
    "fr": "Aujourd'hui il fait beau et nous marchons dans le parc avec des amis",
    "gu": "આજે હવામાન સુંદર છે અને અમે મિત્રો સાથે બગીચામાં ફરીએ છીએ",
    "he": "היום מזג האוויר יפה ואנחנו הולכים בפארק עם חברים",
    "hi": "आज मौसम अच्छा है और हम दोस्तों के साथ बगीचे में टहल रहे हैं",
    "it": "Oggi il tempo è bello e camminiamo nel parco con gli amici",
    "ja": "今日は天気がいいので友達と一緒に公園を散歩しています",
    "kn": "ಇಂದು ಹವಾಮಾನ ಚೆನ್ನಾಗಿದೆ ಮತ್ತು ನಾವು ಸ್ನೇಹಿತರೊಂದಿಗೆ ಉದ್ಯಾನದಲ್ಲಿ ನಡೆಯುತ್ತಿದ್ದೇವೆ",
    "ko": "오늘은 날씨가 좋아서 친구들과 함께 공원을 산책하고 있습니다",
    "ml": "ഇന്ന് കാലാവസ്ഥ നല്ലതാണ് ഞങ്ങൾ കൂട്ടുകാരോടൊപ്പം പാർക്കിൽ നടക്കുന്നു",
    "mr": "आज हवामान छान आहे आणि आम्ही मित्रांसोबत बागेत फिरत आहोत",
    "ne": "आज मौसम राम्रो छ र हामी साथीहरूसँग बगैंचामा हिँडिरहेका छौं",
    "pa": "ਅੱਜ ਮੌਸਮ ਸੋਹਣਾ ਹੈ ਅਤੇ ਅਸੀਂ ਦੋਸਤਾਂ ਨਾਲ ਬਾਗ ਵਿੱਚ ਸੈਰ ਕਰ ਰਹੇ ਹਾਂ",
    "pl": "Dzisiaj jest ładna pogoda i spacerujemy z przyjaciółmi po parku",
    "pt": "Hoje o tempo está bom e nós caminhamos no parque com os amigos",
    "ru": "Сегодня хорошая погода и мы гуляем в парке с друзьями",
    "sw": "Leo hali ya hewa ni nzuri na tunatembea katika bustani pamoja na marafiki",
    "ta": "இன்று வானிலை நன்றாக உள்ளது நாங்கள் நண்பர்களுடன் பூங்காவில் நடக்கிறோம்",
    "te": "ఈ రోజు వాతావరణం బాగుంది మేము స్నేహితులతో పార్కులో నడుస్తున్నాము",
    "th": "วันนี้อากาศดีและเรากำลังเดินเล่นในสวนสาธารณะกับเพื่อน",
    "uk": "Сьогодні гарна погода і ми гуляємо в парку з друзями",
    "ur": "آج موسم اچھا ہے اور ہم دوستوں کے ساتھ باغ میں سیر کر رہے ہیں",
    "vi": "Hôm nay thời tiết đẹp và chúng tôi đi dạo trong công viên cùng bạn bè",
}
_ANSWERS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_RELATIONS = ("relation", "let_relation", "capital_relation")
_SPARE_STEPS = 20

_Unit = Literal["long", "short", "word"]


def ideal_response(instruction_ids: Sequence[str], kwargs: Sequence[Mapping[str, Any]]) -> str | None:
    """A text that strictly follows all instructions of an item, with and without the official cleaning.

    None where none was found: the instructions contradict each other, cannot be checked as given, or ask for
    more than the few constructions tried here. The same item always gets the same text.

    Raises MissingResource if a language resource that the checkers need is not there.
    """
    try:
        instructions = [read_instruction(*item) for item in zip(instruction_ids, kwargs, strict=False)]
        for instruction in instructions:
            instruction.is_followed_by("text")  # raises where the instruction is not defined
        for style in _STYLES:
            text = _write(instructions, style)
            checks = (check_ifeval(instruction_ids, kwargs, text, clean=clean) for clean in (True, False))
            if all(flags.strict_all for flags in checks):
                return text
    except (InstructionError, re.error):
        return None
    return None


@dataclass(frozen=True, slots=True)
class _Style:
    """How filler reads: with which of its units it starts, how long they are, and what ends each."""

    offset: int
    unit: _Unit
    stop: str


_UNITS: tuple[_Unit, ...] = ("long", "short", "word")
_STYLES = tuple(itertools.starmap(_Style, itertools.product((0, 7), _UNITS, (".", ""))))


class _Draft:
    """A text in the making: its fixed parts, and the units that it has grown so far."""

    def __init__(self, instructions: Sequence[Instruction], style: _Style) -> None:
        avoided = list(_avoided(instructions))
        language = next((i.arguments["language"] for i in instructions if "language" in i.arguments), "en")
        foreign = _FILLER_IN.get(language)
        words = _WORDS if foreign is None else tuple(foreign.split())
        units = {"long": _LONG, "short": _SHORT, "word": words}[style.unit]
        if foreign is not None and style.unit != "word":
            units = (foreign,)
        self.answer = _allowed(_ANSWERS, avoided)[0]
        self._sentences = _rotation(_allowed(units, avoided), style.offset)
        self._words = _rotation(_allowed(words, avoided), style.offset)
        self._capitals = _rotation([word.upper() for word in _allowed(_WORDS, avoided)], style.offset)
        self._stop = style.stop
        self.prompt = self.title = self.postscript = self.ending = ""
        self.running = [self.sentence()] if style.unit == "long" else []
        self.blocks: list[list[str]] = [[]]
        self.sections: list[str] = []
        self.bullets: list[str] = []
        self.tail: list[str] = []
        self.case: Callable[[str], str] = str
        self.quoted = self.is_json = False

    def sentence(self) -> str:
        """The next unit of filler."""
        return next(self._sentences) + self._stop

    def word(self) -> str:
        """The next single word."""
        return next(self._words)

    def capital(self) -> str:
        """The next word in capital letters, English in every language."""
        return next(self._capitals)

    def text(self) -> str:
        """The draft as it stands."""
        blocks = [list(block) for block in self.blocks]
        blocks[0].insert(0, self.prompt)
        blocks[0] += [self.title, " ".join(self.running), *self.sections]
        if not self.is_json:
            blocks[0] += [f"- {bullet}" for bullet in self.bullets]
        blocks[-1] += [*self.tail, self.postscript, self.ending]
        glue = " " if self.is_json else "\n"
        texts = [self.case(glue.join(filter(None, block))) for block in blocks]
        if self.is_json:
            return self._json(texts)
        quote = '"' if self.quoted else ""
        return quote + "\n\n".join(texts) + quote

    def _json(self, texts: Sequence[str]) -> str:
        """A bare string, which may also be a quotation; blank lines and bullets need an array around it."""
        strings = [json.dumps(text, ensure_ascii=False) for text in texts]
        if len(strings) == 1 and not self.bullets:
            return strings[0]
        bullets = "".join(f",\n-{number}" for number in range(1, len(self.bullets) + 1))
        return "[" + ",\n\n".join(strings) + bullets + "]"


def _write(instructions: Sequence[Instruction], style: _Style) -> str:
    draft = _Draft(instructions, style)
    for instruction in instructions:
        _place(draft, instruction)
    if not draft.text().strip('" '):
        draft.running.append(draft.sentence())
    for instruction in (*instructions, *instructions):  # what one adds can undo another, such as the language
        counts = [value for value in instruction.arguments.values() if isinstance(value, int)]
        for _ in range(max(counts, default=0) + _SPARE_STEPS):
            if instruction.is_followed_by(draft.text()) or not _grow(draft, instruction):
                break
        else:
            break  # this style will not get there
    return draft.text()


def _place(draft: _Draft, instruction: Instruction) -> None:
    """Put in what an instruction asks for once."""
    arguments = instruction.arguments
    match instruction.id:
        case "combination:repeat_prompt":
            draft.prompt = arguments["prompt_to_repeat"].strip()
        case "detectable_format:title":
            draft.title = f"<<{draft.word()}>>"
        case "detectable_format:constrained_response":
            draft.running.append(draft.answer)
        case "keywords:existence":
            draft.running += arguments["keywords"]
        case "length_constraints:nth_paragraph_first_word":
            draft.blocks = [[draft.sentence()] for _ in range(arguments["num_paragraphs"])]
            draft.blocks[arguments["nth_paragraph"] - 1] = [f"{arguments['first_word']} {draft.sentence()}"]
        case "detectable_content:postscript":
            draft.postscript = f"{arguments['postscript_marker']} {draft.sentence()}"
        case "startend:end_checker":
            draft.ending = arguments["end_phrase"]
        case "startend:quotation":
            draft.quoted = True
        case "detectable_format:json_format":
            draft.is_json = True
        case "change_case:english_capital":
            draft.case = str.upper
        case "change_case:english_lowercase":
            draft.case = str.lower


def _grow(draft: _Draft, instruction: Instruction) -> bool:
    """Add one unit of what an instruction wants more of; False if it wants no more of anything."""
    arguments = instruction.arguments
    if any(arguments.get(relation) == "less than" for relation in _RELATIONS):
        return False
    kind = instruction.id.partition(":")[2]
    if kind in _SENTENCE_KINDS:
        draft.running.append(draft.sentence())
    elif kind in _RUNNING_KINDS:
        draft.running.append(_RUNNING_KINDS[kind](draft, arguments))
    elif kind == "number_paragraphs":
        draft.tail += ["***", draft.sentence()]
    elif kind == "two_responses":
        draft.tail += [draft.sentence()] if draft.tail else ["******", draft.sentence()]
    elif kind == "number_bullet_lists":
        draft.bullets.append(draft.sentence())
    elif kind == "multiple_sections":
        number = len(draft.sections) + 1
        draft.sections.append(f"{arguments['section_spliter']} {number} {draft.sentence()}")
    else:
        return False
    return True


_SENTENCE_KINDS = frozenset(
    {"number_sentences", "number_words", "response_language", "english_capital", "english_lowercase"}
)
_RUNNING_KINDS: Mapping[str, Callable[[_Draft, Mapping[str, Any]], str]] = {
    "frequency": lambda _, arguments: arguments["keyword"],
    "letter_frequency": lambda _, arguments: _LETTER_WORDS[arguments["letter"]],
    "capital_word_frequency": lambda draft, _: draft.capital(),
    "number_placeholders": lambda draft, _: f"[{draft.word()}]",
    "number_highlighted_sections": lambda draft, _: f"*{draft.word()}*",
}


def _avoided(instructions: Sequence[Instruction]) -> Iterator[re.Pattern[str]]:
    """What filler should not hold: forbidden words, and keywords and letters with an upper limit."""
    for instruction in instructions:
        arguments = instruction.arguments
        for word in arguments.get("forbidden_words", ()):
            yield re.compile(rf"\b{word}\b", re.IGNORECASE)
        if arguments.get("relation") == "less than" and "keyword" in arguments:
            yield re.compile(arguments["keyword"], re.IGNORECASE)
        if arguments.get("let_relation") == "less than":
            yield re.compile(arguments["letter"], re.IGNORECASE)


def _allowed(units: Sequence[str], avoided: Sequence[re.Pattern[str]]) -> Sequence[str]:
    """The units without anything avoided, or all of them if there is none: a limit may still hold."""
    return [unit for unit in units if not any(word.search(unit) for word in avoided)] or units


def _rotation(units: Sequence[str], offset: int) -> Iterator[str]:
    start = offset % len(units)
    return itertools.cycle([*units[start:], *units[:start]])

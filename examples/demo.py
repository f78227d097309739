"""The main job end to end on what the repository ships: no network, no GPU, no key.

Three sanity models answer VoiceBench's rule-scored subsets, and an answer that cannot be read counts as wrong: `oracle`
must score the maximum, `empty` the minimum, and `random` chance. Then the stored answers are scored again as upstream
does it, where such an answer draws a random one, without asking any model.
"""

from __future__ import annotations

import fac_eval

STORE = "demo-store"


def main() -> None:
    """Run, rescore, and show where everything lies."""
    strict = {"voicebench.fallback": "wrong"}
    result = fac_eval.run(["oracle", "empty", "random"], "voicebench", data="sample", set=strict, store=STORE)
    print(result)
    print("\nThe same stored answers under upstream's random fallback, nothing generated again:\n")
    print(fac_eval.rescore(result.id, set={"voicebench.fallback": "random"}, store=STORE))


if __name__ == "__main__":
    main()

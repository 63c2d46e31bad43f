"""The benchmark's results as lines of text."""


def table_of(name, precision, result):
    """Writes a row's results as lines of text."""
    lines = [f"{name} {precision}: first step {result['first_step']:.1f} s"]
    if "step" in result:
        step, share = result["step"], result["share_of_limit"]
        plain = result["flops_without_short_cuts"]
        more = "" if plain == result["flops"] else (
            f" ({plain / 1e9:.1f} without short cuts, {share * plain / result['flops']:.0%})"
        )  # fmt: skip
        lines += [
            f"  training   {result['images_a_second']:.1f} images/s, step "
            f"{1e3 * step['median']:.1f} ms ± {step['spread']:.0%}, "
            f"{result['flops'] / 1e9:.1f} GFLOP at {share:.0%} of "
            f"{result['product_rate'] / 1e9:.0f} GFLOP/s{more}, peak {_size(result['memory'])}"
        ]
    if "generate" in result:
        rates = [f"{rate:.1f}/s by {count}" for count, rate in result["generate"].items()]
        lines += [f"  generating {', '.join(rates)}"]
    for rival, found in result.get("rivals", {}).items():
        ratios = {"training": found.get("training")} | {
            f"generating {count}": value for count, value in found.get("generate", {}).items()
        }
        texts = [f"{what} {_ratio(value)}" for what, value in ratios.items() if value]
        lines += [
            f"  over {rival}: {', '.join(texts)}; its step "
            f"{1e3 * found['step']['median']:.1f} ms, peak {_size(found['memory'])}"
        ]
    if "fit" in result:
        lines += [f"  fit        {_ratio(result['fit'])} of the bare step"]
    for kind, found in result.get("data", {}).items():
        lines += [
            f"  data       {kind}: {found['images_a_second']:.0f} images/s, "
            f"{_ratio(found['over_training'])} times what training takes"
        ]
    if "scaling" in result:
        lines += [f"  scaling    {_ratio(result['scaling'])} with 2 processes of one core"]
    return "\n".join(lines)


def _ratio(found):
    return f"{found['ratio']:.2f} ({found['low']:.2f}–{found['high']:.2f})"


def _size(count):
    return f"{count / 2**30:.2f} GiB"

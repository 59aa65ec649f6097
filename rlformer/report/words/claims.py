"""What the page of the article's claims says beside its numbers, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Language = Literal["en", "zh"]
WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "title": "The article's claims, tested",
        "lead": "Each claim below is answered by an experiment whose effects, margins and tests stand in the code. Some were "
        "changed after earlier results had been seen; CHANGELOG names them. {seeds}, {time} of CPU time; scores and returns are means of 100 episodes.",
        "untested": "The claims are those of a short introduction to the Transformer, in our words, with the numbers of its "
        "statements. Not tested are: its seven steps of training (which are shown, with their code), TensorFlow, how "
        "popular each architecture is, that a Transformer has no model of an environment and chooses no actions, and that "
        "normalisation helps generalisation.",
        "intervals": "In brackets: 95 % intervals by Student’s t over seeds, each on its own. p: the probability of "
        "numbers at least as clear if the claim were wrong; and if it were right; both with Holm’s correction.",
        "one": "One seed can illustrate a claim, but not prove it. The answers “holds” and “does not hold” need the "
        "full profile.",
        "rule": "Holds: every declared effect is confirmed, by one-sided t-tests against its margin over seeds, with "
        "Holm’s correction at 5 %. Does not hold: at least one effect is refuted and none is confirmed. Depends: some "
        "effects are confirmed and others refuted. Undecided: the numbers allow neither.",
        "same": "Where every seed gives the same number, a test over seeds cannot tell how rare another one is: the difference "
        "alone decides, and no p is shown. Five equal seeds occur in one study of twenty even where 45 % of all seeds would give another.",
        "claim": "Claim", "answer": "Answer", "experiment": "Experiment", "statement": "statement {n} of the article",
        "statements": "statements {n} of the article", "declared": "{found}; claimed: {margin}",
        "quick": "This is the quick profile: of each experiment only its smallest part was run.",
        "unit of ratios": "An effect in doublings is the logarithm of a ratio to base 2: 1 is twice as much, −1 half as much. "
        "The two columns before it are then geometric means.", "p": "p", "within": " ({w})", "below": "below",
        "where": "Statement", "colon": ": ", "semicolon": "; ", "comma": ", ", "bracket": " ({n})", "between": "{point} ({low} to {high})", "unit": "{m} ({unit})",
        "lost": "{cell}, seed {seed}: {why}",
        "rails": "Each effect and its interval, on a scale of its own. Grey: what was claimed. Dashed: zero.",
        "confirmed": "as claimed", "refuted": "not as claimed",
        "effect": "Declared effect", "found": "Found", "margin": "Margin", "first": "First", "second": "Second",
        "says": "Answer", "greater": "above {m}", "alike": "within ±{m}", "limits": "What it cannot show", "code": "Code",
        "failures": "What was not measured", "reproduce": "How to reproduce it", "depends": "Depends. It holds for: {a}. It does not for: {b}.",
        "built": "Built {t}; results.json holds every number.",
        "holds": "holds", "does not hold": "does not hold", "undecided": "undecided", "depends on": "depends", "no pair": "no seed decides it", "of seeds": "; {n} of {all} seeds",
        "as claimed": "shown as claimed", "not as claimed": "shown otherwise", "not measured": "not measured",
        "shown as claimed": "shown as claimed (one seed)", "shown otherwise": "shown otherwise (one seed)",
        "shown in part": "shown in part (one seed)",
    },
    "zh": {
        "title": "文章的论断，逐条检验",
        "lead": "以下每条论断都由一个实验来回答，实验的效应、界值与检验方法都写在代码里。其中有些在看到先前的结果之后改过，见 CHANGELOG。{seeds}，CPU 时间共 {time}；得分与回报是 100 个回合的均值。",
        "untested": "这些论断出自一篇介绍 Transformer 的短文，用我们自己的话转述，并注明是文中第几条。未检验的有：训练的七个步骤（另有一页附代码说明）、TensorFlow、各架构的流行程度、Transformer 没有环境模型也不选择动作、归一化有助于泛化。",
        "intervals": "括号内是各自的 95 % 区间（对各种子用 Student t 分布，未作多重比较校正）。p：若论断不成立，得到至少同样明确的数字的概率；以及若论断成立时的概率；两者都经 Holm 校正。",
        "one": "一个种子只能展示，不能证明。要得出“成立”或“不成立”，需要 full 档。",
        "rule": "成立：每个事先声明的效应都得到证实（对各种子做单侧 t 检验，与界值比较，Holm 校正，5 %）。不成立：至少一个效应被否定，且没有效应被证实。视情况而定：有的效应被证实，有的被否定。尚无定论：两者都得不出。",
        "same": "若所有种子给出同一个数，对种子做检验就无法判断不同结果有多罕见，此时只由差值本身决定，不列 p 值。即使有 45 % 的种子会给出不同的数，二十次研究中也会有一次恰好抽到五个相同的种子。",
        "claim": "论断", "answer": "结论", "experiment": "实验", "statement": "文章第 {n} 条", "statements": "文章第 {n} 条", "where": "条目",
        "declared": "{found}；声明：{margin}", "quick": "这里是 quick 档：每个实验只运行了最小的一部分。",
        "unit of ratios": "以翻倍数计的效应是比值以 2 为底的对数：1 表示两倍，−1 表示一半；此时前两列是几何平均。", "p": "p 值", "within": "（{w}）", "below": "小于",
        "effect": "事先声明的效应", "found": "测得", "margin": "界值", "first": "前者", "second": "后者",
        "says": "结论", "greater": "大于 {m}", "alike": "±{m} 之内", "limits": "局限", "code": "代码",
        "failures": "未测得", "reproduce": "如何重现", "depends": "视情况而定。成立：{a}。不成立：{b}。",
        "built": "生成于 {t}；results.json 有全部数字。", "colon": "：", "semicolon": "；", "comma": "、", "bracket": "（{n}）", "between": "{point}（{low} 至 {high}）", "unit": "{m}（{unit}）",
        "lost": "{cell}，种子 {seed}：{why}", "rails": "各效应及其区间，每行各有刻度。灰色：论断所声明的范围。虚线：零。", "confirmed": "与论断一致", "refuted": "与论断不一致",
        "holds": "成立", "does not hold": "不成立", "undecided": "尚无定论", "depends on": "视情况而定", "no pair": "没有种子可供判断", "of seeds": "；{all} 个种子中的 {n} 个",
        "as claimed": "所见与论断一致", "not as claimed": "所见与论断不一致", "not measured": "未测得",
        "shown as claimed": "所见与论断一致（一个种子）", "shown otherwise": "所见与论断不一致（一个种子）",
        "shown in part": "所见与论断部分一致（一个种子）",
    },
}  # fmt: skip
UNITS: Mapping[str, str] = {  # of effects, in Chinese
    "normalised score": "归一化得分", "return, of 1": "回报，满分 1", "doublings": "翻倍数", "nats": "nat",
    "rank correlation": "秩相关系数", "share of seeds": "种子比例", "share of all weight": "占全部权重的份额",
}  # fmt: skip
TIMES: Mapping[str, str] = {"s": "秒", "min": "分钟", "h": "小时", "d": "天"}  # units of `formats.seconds`, in Chinese

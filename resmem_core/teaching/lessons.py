"""Seven short lessons for the Playground: a question, a setting to look at, and what there is to notice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_CALM = "imbalance,seed,space"  # what most lessons do without


@dataclass(frozen=True)
class Lesson:
    """A lesson.

    Attributes
    ----------
    title : str
        Short, for a list.
    question : str
        To be asked before anything is turned.
    query : str
        What of the Playground's form differs from its defaults, as an address writes it.
    notice : tuple of str
        What there is to see; every claim holds under several seeds.
    action : str
        One thing to try.
    """

    title: str
    question: str
    query: str
    notice: tuple[str, ...]
    action: str


LESSONS: Mapping[str, Lesson] = {
    "coin-flips": Lesson(
        "Learning labels by heart",
        "Here every label is a coin flip: there is nothing to learn. How well can ResMem do on its training points, "
        "and how well on new ones?",
        f"data=checkerboard&n=200&noise=0.05&label_noise=0.5&k=1&hide={_CALM},noise,data,temperature",
        (
            "Training accuracy of ResMem is exactly 100 %: with k = 1 a training point finds itself, and its residual "
            "turns the base's answer into its label, whatever the base said.",
            "On test points, whose labels follow the pattern that the coin flips wiped out, it is near 50 %, give or "
            "take what this one draw of flips happens to match (another seed, another draw): as good as guessing. "
            "Accuracy on what is in memory says nothing about new points.",
        ),
        "Move k up to 30: training accuracy falls, for now others vote as well. Test accuracy stays a matter of luck.",
    ),
    "one-neighbour": Lesson(
        "When one neighbour is too few",
        "The two moons overlap, and the network draws a good border. What happens if memory lets only the nearest "
        "training point speak?",
        f"data=moons&n=600&noise=0.35&base=network&k=1&sigma=0.5&hide={_CALM},data,label_noise,temperature",
        (
            "With k = 1 every stray point carries its own island: memory breaks more test points than it fixes, and "
            "ResMem falls behind its base.",
            "With k = 50 the strays are outvoted by those around them: ResMem is level with its base, within 2 points.",
            "A network that is as good as the overlap allows leaves residuals that are mere chance. Then the best that "
            "memory can do is little.",
        ),
        "Set k to 50 and watch the islands go.",
    ),
    "temperature": Lesson(
        "Temperature and confidence",
        "Temperature divides the base's logits. Turned up, the base grows unsure of everything. Does ResMem get worse?",
        f"data=moons&n=400&noise=0.2&k=15&sigma=0.2&temperature=100.0&hide={_CALM},data,n,noise,label_noise",
        (
            "At T = 100 the base's panel is one colour: everywhere near 50 %. Yet its border, and so its accuracy, is "
            "what it was: dividing logits does not change which is larger.",
            "ResMem does not get worse. Base and residuals are unsure together, cancel out, and what remains is the "
            "vote of the neighbours: ResMem and soft kNN agree on 99 % of the test points and more.",
            "At T = 0.05 the base is sure of nearly every place, right or wrong. Then residuals are near 0 where it is "
            "right and near 1 where it is wrong.",
        ),
        "Slide T from one end to the other, and follow the middle panel.",
    ),
    "rare-group": Lesson(
        "A rare group that only memory gets right",
        "A few points of class 1 live deep in the land of class 0. A straight line cannot set them apart. Can memory?",
        f"data=blobs&n=500&noise=0.05&k=10&sigma=0.05&hide={_CALM},data,temperature,label_noise",
        (
            "The base gets none of the rare group right; ResMem gets at least nine in ten.",
            "Overall accuracy moves by a few points only, as the group is small: look at groups, not just at the mean.",
            "Memory's panel is loud around the group and quiet where the base is right already.",
        ),
        "Raise k to 100 at a large sigma: the group is outvoted by the many around it.",
    ),
    "label-noise": Lesson(
        "A wrong label is remembered too",
        "A quarter of the training labels are wrong: crosses, in the colour of the wrong label. The network smooths "
        "over most of them. What does memory do with them?",
        f"data=moons&n=600&noise=0.1&label_noise=0.25&base=network&k=1&hide={_CALM},data,n,temperature",
        (
            "With k = 1 memory repeats wrong labels: about a quarter of the test points are wrong, as many as there "
            "are wrong labels, and the base alone is far better.",
            "With k = 50 and a large sigma the right labels around outvote them, and ResMem comes within 3 points of "
            "its base.",
            "Memory can be mended by hand: no training is needed to forget one wrong example.",
        ),
        'Set "A click" to "removes the nearest point", and click on a cross: its island goes at once.',
    ),
    "perfect-base": Lesson(
        "A perfect base has nothing to memorise",
        "The circles are clean, and the network gets all of them right. What is left for memory?",
        f"data=circles&n=400&noise=0.03&base=network&k=10&hide={_CALM},data,label_noise,temperature",
        (
            "Every training point is right and sure: residuals are below 0.05, and memory's panel is empty.",
            "So base and ResMem give the same answer on every test point, whatever k and sigma are.",
            "Memory gains where the base leaves something over. It cannot beat a base that is right.",
        ),
        "Choose the linear base: now the residuals are large, and memory draws the circle.",
    ),
    "ahead-of-both": Lesson(
        "Ahead of base and of soft kNN",
        "A third of the labels are wrong, and class 1 is rare. Soft kNN, the vote of the neighbours alone, is on the "
        "right. Is there anything that neither it nor the base can do by itself?",
        "data=moons&n=800&noise=0.35&label_noise=0.35&imbalance=6.0&k=50&sigma=0.2&temperature=0.1&knn=true"
        f"&hide={_CALM},data,n,noise,label_noise",
        (
            "ResMem is ahead of both. Over 30 draws of the points base gets 64 % of the test points right, soft kNN "
            "69 % and ResMem 72 %; it was ahead of both in 29 of them. This k and sigma are soft kNN's best ones.",
            "Soft kNN must ask many, as one label in three is wrong: with k = 5 it is worse. But a vote so wide does "
            "not see the border that runs through it, and the frequent class wins it on both sides.",
            "The base's line is a trend that all points draw together, and it goes on within each neighbourhood. "
            "Memory need not find it again: it only adds by how much the line is off around there, for which a rough "
            "mean is enough.",
        ),
        "Slide T to the right end: the base's trend fades, ResMem becomes soft kNN, and its lead is gone.",
    ),
}

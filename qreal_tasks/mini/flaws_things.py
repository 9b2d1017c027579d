"""Flaws of things: fruit, mugs, cars, signs, chairs. None has a face or limbs, so none is planted for the first
plausibility question."""

from __future__ import annotations

from qreal_tasks.mini.flaws import P2, SIDES, flaw

FRUIT = (
    flaw(P2, "stretched", "fruit", "shape", "It is stretched upwards to twice its height.",
          "The {label} is as tall and thin as a bottle."),
    flaw(P2, "square", "fruit", "shape", "It has the shape of a box, with corners.",
          "The {label} is square instead of round."),
    flaw(P2, "shifted_halves", "fruit", "shape",
         "It is cut across and the upper half is shifted to the {choice} without falling.",
          "The upper half is cut off and sits too far {choice}, half of it in the air.", choices=SIDES),
    flaw(P2, "hole", "fruit", "middle", "A round hole goes right through it.",
          "One can see through a round hole in the {label}."),
    flaw(P2, "key", "fruit", "side", "A wind-up key as of a toy sticks in its side on the {choice}.",
          "On the {choice}, a big metal key grows out of the {label}.", choices=SIDES),
)  # fmt: skip

MUG = (
    flaw(P2, "three_handles", "mug", "handle", "The mug has three handles.",
         "There are handles on both sides, two of them on the same side."),
    flaw(P2, "loose_handle", "mug", "handle", "The handle hangs in the air, separate from the mug.",
          "There is a gap between the mug and its handle."),
    flaw(P2, "handle_on_top", "mug", "handle", "The handle sits on top of the rim instead of at the side.",
          "The handle stands upright on the rim."),
    flaw(P2, "leaning", "mug", "shape", "The mug leans to the {choice} as if it were made of rubber.",
          "{Its} body is skewed to the {choice}.", choices=SIDES),
    flaw(P2, "melted", "mug", "shape", "The mug has melted, {its} lower part spreads out like a puddle.",
          "The bottom of the mug flows apart."),
    flaw(P2, "pinched", "mug", "shape", "The mug is squeezed in the middle like an hourglass.",
          "{Its} wall is crushed in at both sides."),
    flaw(P2, "coffee_column", "mug", "coffee", "The coffee stands above the rim like a solid column.",
          "Coffee towers over the rim without flowing down."),
)  # fmt: skip

CAR = (
    flaw(P2, "missing_wheel", "car", "wheels", "The wheel on the {choice} is missing.",
          "The car has no wheel on the {choice}, yet it stands level.", choices=SIDES),
    flaw(P2, "extra_wheel", "car", "wheels", "There is a third wheel in the middle of the side.",
          "The side of the car has three wheels."),
    flaw(P2, "roof_wheel", "car", "roof", "A wheel stands upright on the roof.",
         "One wheel stands on top of the car."),
    flaw(P2, "square_wheel", "car", "wheels", "The wheel on the {choice} is square.",
          "The {choice} wheel has corners.", choices=SIDES),
    flaw(P2, "giant_wheel", "car", "wheels", "The wheel on the {choice} is twice as big as the other.",
          "The wheels differ, the {choice} one is far too big.", choices=SIDES),
    flaw(P2, "bent_body", "car", "body", "The body is bent like a banana.", "The car sags in the middle."),
    flaw(P2, "tall_cabin", "car", "roof", "The cabin is stretched upwards like a tower.",
          "The cabin is far too tall for the car."),
)  # fmt: skip

SIGN = (
    flaw(P2, "handle", "sign", "side", "The board has a handle like a mug on the {choice}.",
          "On the {choice}, the handle of a mug grows out of the board.", choices=SIDES),
    flaw(P2, "missing_middle", "sign", "post", "The middle of the post is missing.",
          "A piece of the post is missing below the board, which hangs in the air."),
    flaw(P2, "bent_post", "sign", "post", "The post is bent in waves like a snake.",
         "The post winds like a rope."),
    flaw(P2, "melted_board", "sign", "board", "The board has melted and drips down.",
          "The lower edge of the board flows down like wax."),
    flaw(P2, "skewed_board", "sign", "board", "The board is warped into a slanted shape.",
          "The board is out of shape, its edges are not square."),
)  # fmt: skip

CHAIR = (
    flaw(P2, "missing_leg", "chair", "legs", "The front leg on the {choice} is missing, yet the chair stands.",
          "There is no front leg on the {choice} to carry the chair.", choices=SIDES),
    flaw(P2, "extra_leg", "chair", "legs", "A fifth leg stands in the middle in front.",
         "The chair has five legs."),
    flaw(P2, "legs_on_top", "chair", "back", "Two more legs stick up from the top of the backrest.",
          "Legs grow upwards out of the backrest."),
    flaw(P2, "wavy_legs", "chair", "legs", "{Its} legs wave like noodles.",
         "The legs are bent as if made of rubber."),
    flaw(P2, "sagging_seat", "chair", "seat", "The seat has melted and drips down.",
          "The seat hangs through like wet dough."),
    flaw(P2, "leaning_back", "chair", "back", "The backrest is bent over to the {choice}.",
          "The backrest slants to the {choice}.", choices=SIDES),
)  # fmt: skip

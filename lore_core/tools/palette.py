"""One colour per idea, the same in every lesson: Okabe and Ito's, told apart by the colour-blind.

| colour | idea |
| --- | --- |
| BLUE | LoRe, whoever it serves: seen and unseen users, specialists and generalists, a camp |
| BLACK | LoRe, trained by the paper's recipe; also letters and axes |
| ORANGE | Bradley–Terry: one reward, or one adapter, for everybody, and whoever it serves |
| SKY | one model, or one adapter, per user |
| GREEN, PINK, RED | PAL-A, PAL-B, VPL |
| PURPLE | PALM: few policies for everybody |
| BROWN | clusters of known users, and a policy or an adapter for each |
| OLIVE | PROPER: groups between the crowd and the person |
| WINE | PerFit: shifts of hidden states |
| GREY | what is nobody's model: the reference, controls, true tastes, ceilings, a coin |

Where one idea has two curves, the second is dashed and both are named: training pairs beside
validation pairs, unseen users beside seen ones, generalists beside specialists, a minority beside
the majority. A dotted line is not learned: a ceiling, a coin, a choice made elsewhere.
"""

BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#009E73"
PINK = "#CC79A7"
SKY = "#56B4E9"
RED = "#D55E00"
PURPLE = "#6A3D9A"  # this and the next four are not in their palette
BROWN = "#7F5539"
OLIVE = "#7F8A00"
WINE = "#9E1B4A"
GREY = "#6B6B6B"  # dark enough to be read as letters
BLACK = "#222222"

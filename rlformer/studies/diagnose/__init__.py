"""The diagnostic suite: what theory predicts of every arm, beside what a training of it does.

`rows` is the table as data, `play` trains and plays one arm of it, `suite` all of them, `judge` reads the run
directories and says where prediction and observation agree.
"""

"""What the networks learn from and are judged on besides MNIST: one small module a source.

`pendigits`, `omniglot`, `fonts` and `optdigits` read files as their authors published them;
`scribbles` and `letterforms` draw their own; `render` makes images of them all with the app's own
code.
"""

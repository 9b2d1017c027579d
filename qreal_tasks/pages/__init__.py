"""The common base of the project's pages: environment, number formats, theme, ``base.html.j2`` and ``macros.html.j2``.

A page is one file that needs nothing else: no network, no fonts, no scripts of others. What models, people and file
names say is always shown as text.
"""

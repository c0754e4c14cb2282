"""What logs say: lines out of files and the journal, and what our own and Postfix's mean.

Lines come in blocks of bytes, and are read by the block. Strangers choose much of what is in them: each thing is looked
for where the program that wrote the line puts it.
"""

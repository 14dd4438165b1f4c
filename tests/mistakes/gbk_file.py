"""Gbk file."""
import io
import torch

file = io.BytesIO('标签,数值\n猫,1\n'.encode('gbk'))
rows = [line.split(',') for line in io.TextIOWrapper(file, encoding='utf-8')]

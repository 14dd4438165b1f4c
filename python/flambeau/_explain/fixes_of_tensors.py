"""Fixes for errors of tensors, arrays and Python's own values: rows as in fixes.py."""

FIXES = [
    # ---- tensors made ----
    (
        r"^tensor\(\) takes 1 positional argument but",
        "the numbers are given as one list: torch.tensor([3, 4]); a tensor of that size: "
        "torch.zeros(3, 4).",
        "各个数要放在一个列表里：torch.tensor([3, 4])；若要这个大小的张量：torch.zeros(3, 4)。",
    ),
    (
        r"^(zeros|ones|empty|rand|randn)\(\) takes 1 positional argument but \d+ were given"
        r"|^(zeros|ones|empty|rand|randn)\(\): argument 'size' .*must be tuple of ints, "
        r"(?:not|but found element of type) (?:float|str)"
        r"|^(zeros|ones|empty|rand|randn)\(\) received an invalid combination of arguments - "
        r"got \([^)=]*\b(?:float|str)\b",
        "sizes are whole numbers, one after the other or as one tuple: torch.{0}(2, 3) or "
        "torch.{0}((2, 3)); for a float n: int(n).",
        "大小必须是整数，可依次写出或放在一个元组里：torch.{0}(2, 3) 或 torch.{0}((2, 3))；"
        "浮点数先用 int(n)。",
    ),
    (
        r"^seed\(\) takes 0 positional arguments",
        "torch.seed() chooses a seed by chance; a fixed one is set by torch.manual_seed(42).",
        "torch.seed() 随机选择种子；固定的种子用 torch.manual_seed(42)。",
    ),
    # ---- arrays ----
    (
        r"^expected np\.ndarray \(got (\w+)\)",
        "from_numpy takes arrays: of a {0} torch.tensor(x) makes a tensor.",
        "from_numpy 只接受 NumPy 数组：{0} 请用 torch.tensor(x) 变成张量。",
    ),
    (
        r"can't convert np\.ndarray of type numpy\.(?:str_|bytes_)",
        "the elements are texts: give each class a number, names, y = np.unique(labels, "
        "return_inverse=True), and take torch.tensor(y); texts that are numbers: "
        "labels.astype(float).",
        "元素是字符串：请给每个类别一个编号：names, y = np.unique(labels, return_inverse=True)，"
        "再用 torch.tensor(y)；内容是数的字符串：labels.astype(float)。",
    ),
    (
        r"can't convert np\.ndarray of type numpy\.object_",
        "the array holds things of different kinds or lengths: take the columns that are numbers "
        "and convert them, array[:, :2].astype(np.float32); rows of different lengths are filled "
        "up first.",
        "数组里混有不同类型或不同长度的内容：请只取数值列并转换 array[:, :2].astype(np.float32)；"
        "长度不同的行先补齐。",
    ),
    (
        r"At least one stride in the given numpy array is negative",
        "a flipped array is copied first: torch.from_numpy(array.copy()).",
        "翻转过的数组要先复制：torch.from_numpy(array.copy())。",
    ),
    # ---- shapes ----
    (
        r"only one dimension can be inferred",
        "-1 stands for one size alone, which the others leave: write the rest out, as "
        "x.view(x.size(0), -1).",
        "-1 只能出现一次，由其余大小推出：其他大小请写出来，例如 x.view(x.size(0), -1)。",
    ),
    (
        r"Number of dimensions of repeat dims can not be smaller",
        "give one count for each dim, 1 for those that stay: x.repeat(2, 1, 1).",
        "每一维都要给一个次数，不变的写 1：x.repeat(2, 1, 1)。",
    ),
    (
        r"einsum\(\): the number of subscripts in the equation \((\d+)\) does not match the number of "
        r"dimensions \((\d+)\) for operand (\d+)",
        "operand {2} has {1} dims and {0} letters: each dim has a letter, as b for the batch: "
        "'bij,bjk->bik', or '...ij,...jk->...ik' for any dims before.",
        "第 {2} 个操作数有 {1} 维，却写了 {0} 个字母：每一维一个字母，批次例如用 b："
        "'bij,bjk->bik'；前面的任意维用 '...ij,...jk->...ik'。",
    ),
    (
        r"einsum\(\): subscript (\w) has size (\d+) for operand (\d+) which does not broadcast with "
        r"previously seen size (\d+)",
        "{0} stands for {3} and for {1}, and a letter has one size: give the dims different "
        "letters if they differ, or bring one tensor to the other's size (by nn.Linear({1}, {3}) "
        "for features).",
        "字母 {0} 既表示 {3} 又表示 {1}，而同一个字母只能有一个大小：不同的维请用不同的字母，"
        "或先把一个张量变为另一个的大小（特征维用 nn.Linear({1}, {3})）。",
    ),
    (
        r"Input Error: Only 3D, 4D and 5D input Tensors supported|"
        r"Got \dD input, but \w+ mode needs \dD input",
        "an image is (batch, channels, height, width): F.interpolate(x.unsqueeze(0), "
        "...).squeeze(0); for 3 dims (batch, channels, length) the mode is 'linear'.",
        "图像的形状是（批次, 通道, 高, 宽）：F.interpolate(x.unsqueeze(0), ...).squeeze(0)；"
        "三维（批次, 通道, 长度）用 mode='linear'。",
    ),
    (
        r"index_select\(\): Index is supposed to be a vector",
        "index_select takes one row of positions; with more dims: x[index].",
        "index_select 的下标只能是一维；多维下标请写 x[index]。",
    ),
    (
        r"scatter\(\): Expected self\.dtype to be equal to src\.dtype",
        "both hold the same kind of number: src.to(x.dtype); for a constant x.scatter_(1, index, "
        "1.0).",
        "两者的数据类型必须相同：src.to(x.dtype)；写入常数用 x.scatter_(1, index, 1.0)。",
    ),
    (
        r"where expected condition to be a boolean tensor",
        "a condition is of truth values: mask.bool(), or mask == 1.",
        "条件必须是布尔张量：mask.bool()，或 mask == 1。",
    ),
    (
        r"\"bitwise_(and|or|xor|not)\w*\" not implemented for '(?:Float|Double)'",
        "& and | bind before > and <, so each comparison needs brackets: (x > 0) & (x < 1).",
        "& 和 | 的优先级高于 > 和 <，每个比较都要加括号：(x > 0) & (x < 1)。",
    ),
    (
        r"argument '(?:value|other)' \(position \d+\) must be (?:Tensor|Number), not str|"
        r"(?:masked_fill_?|eq|ne|lt|le|gt|ge)\(\) received an invalid .* got \((?:Tensor, )?str\)",
        "a number is written without quotes: infinity is float('-inf').",
        "数不能加引号：无穷写作 float('-inf')。",
    ),
    (
        r"result type (\w+) can't be cast to the desired output type (\w+)",
        "an in-place operation keeps the dtype of its target, {1}: write x = x + y, or make the "
        "target a float first (x.float(), dtype=torch.float32).",
        "就地运算保持左边的数据类型 {1}：请写 x = x + y，或先把左边变为浮点数"
        "（x.float()、dtype=torch.float32）。",
    ),
    (
        r"only integer tensors of a single element can be converted to an index",
        "a list takes one whole number as its index: [names[i] for i in pred.tolist()], "
        "names[pred[0].item()]; range(int(n)).",
        "Python 列表的下标只能是一个整数：[names[i] for i in pred.tolist()]、names[pred[0].item()]；"
        "循环写 range(int(n))。",
    ),
    (
        r"Expected size for first two dimensions of batch2 tensor to be: \[(\d+), (\d+)\] but got: "
        r"\[(\d+), (\d+)\]",
        "(batch, n, m) is multiplied with (batch, m, p): the second has {2} matrices of {3} rows, "
        "and must have {0} of {1}; of keys and queries transpose the keys, k.transpose(1, 2).",
        "（批次, n, m）只能乘（批次, m, p）：第二个张量是 {2} 个 {3} 行的矩阵，应为 {0} 个 {1} 行的；"
        "查询乘键时请转置键：k.transpose(1, 2)。",
    ),
    (
        r"batch[12] must be a 3D tensor",
        "bmm takes two batches of matrices, of three dims each: a @ b takes a single matrix for "
        "all of the batch too.",
        "bmm 的两个输入都是三维的矩阵批次：一个批次乘同一个矩阵请写 a @ b。",
    ),
    (
        r"The expanded size of the tensor \((\d+)\) must match the existing size \((\d+)\)",
        "only a dim of size 1 is spread, and {1} values do not fill {0} places: give both the same "
        "size (in out[i] = x that of out's row); to write a tensor several times: x.repeat(2, 1).",
        "只有大小为 1 的维能扩展，{1} 个值填不满 {0} 个位置：请让两边大小相同"
        "（out[i] = x 时与 out 的一行相同）；要重复多次请用 x.repeat(2, 1)。",
    ),
    (
        r"index (-?\d+) is out of bounds for dimension (\d+) with size (\d+)",
        "positions begin at 0 and end before {2}: subtract 1 from numbers that begin at 1, or make "
        "dim {1} larger (a last layer with more outputs).",
        "下标从 0 开始，必须小于 {2}：从 1 开始的编号请减 1，或加大第 {1} 维（例如最后一层的输出数）。",
    ),
    # ---- Python's own values ----
    (
        r"'(?:torch|flambeau)\.Size' object is not callable",
        "shape is no function: x.shape, x.shape[0], or x.size().",
        "shape 不是函数：请写 x.shape、x.shape[0]，或 x.size()。",
    ),
    (
        r"'(?:builtin_function_or_method|method|function)' object is not subscriptable",
        "brackets are missing: x.size(0), or x.shape[0]; model.parameters() before [ ].",
        "漏了括号：x.size(0)，或 x.shape[0]；方法要先调用，再用 [ ] 取值。",
    ),
    (
        r"'(?:builtin_function_or_method|method|function)' object has no attribute '(\w+)'",
        "a method was named and not called: the brackets before .{0} or in the line that made the "
        "value are missing, as in loss.mean().",
        "只写了方法名而没有调用：.{0} 之前（或产生该值的那一行）漏了括号，例如 loss.mean()。",
    ),
    (
        r"'method' object does not support the context manager protocol",
        "model.eval() is a line of its own, with brackets; `with` goes with torch.no_grad():",
        "model.eval() 单独写一行并加括号；with 后面写 torch.no_grad():",
    ),
    (
        r"'tuple' object is not callable",
        "a comma at the end of a line makes a tuple: self.fc = nn.Linear(2, 2) without a comma "
        "after it.",
        "行末多了逗号，值就成了元组：请写 self.fc = nn.Linear(2, 2)，后面不加逗号。",
    ),
    (
        r"'tuple' object has no attribute '(\w+)'",
        "this is a tuple of several results, as an LSTM gives (output, (h, c)) and max(dim) "
        "(values, indices): take the one that is meant, output, _ = lstm(x), and then output.{0}; "
        "a comma at the end of a line makes a tuple too.",
        "这是包含多个结果的元组，例如 LSTM 返回 (output, (h, c))，max(dim) 返回（值，下标）："
        "请取出需要的那个 output, _ = lstm(x)，再用 output.{0}；行末多写逗号也会得到元组。",
    ),
    (
        r"unsupported operand type\(s\) for \S+: '(?:Tensor|Parameter)' and 'tuple'"
        r"|unsupported operand type\(s\) for \S+: 'tuple' and '(?:Tensor|Parameter)'",
        "one side is a tuple of several results, as attention and an LSTM give it: take the first, "
        "output, _ = attention(x, x, x), or result[0].",
        "有一边是包含多个结果的元组，例如注意力层和 LSTM 的返回值：请取第一个 "
        "output, _ = attention(x, x, x)，或 result[0]。",
    ),
    (
        r"unsupported operand type\(s\) for \S+: '(?:Tensor|Parameter)' and '(str|list|dict|set)'"
        r"|unsupported operand type\(s\) for \S+: '(str|list|dict|set)' and '(?:Tensor|Parameter)'",
        "a tensor computes with tensors and numbers: make the other side one first, "
        "torch.tensor(x), or float(text).",
        "张量只能与张量或数运算：请先转换另一边：torch.tensor(x)，或 float(text)。",
    ),
    (
        r"'dict' object has no attribute '(\w+)'",
        "an entry of a dict is taken by brackets: d['{0}'], as group['lr'] of an optimizer's "
        "param_groups.",
        "字典的条目用方括号取：d['{0}']，例如优化器 param_groups 里的 group['lr']。",
    ),
    (
        r"list indices must be integers or slices, not str",
        "this is a list, as optimizer.param_groups and a batch are: take an element first, "
        "param_groups[0]['lr'], or loop, for group in param_groups: group['lr'] = ...",
        "这是列表（例如 optimizer.param_groups 或一个批次）：请先取元素 param_groups[0]['lr']，"
        "或循环 for group in param_groups: group['lr'] = ...",
    ),
    (
        r"list indices must be integers or slices, not (?:tuple|Tensor|Parameter)",
        "this is a list, and such indexing is of tensors: torch.tensor(x), or torch.stack(x) of a "
        "list of tensors.",
        "这是列表，而这种下标只适用于张量：请先用 torch.tensor(x)，张量的列表用 torch.stack(x)。",
    ),
    (
        r"'(?:int|float)' object is not iterable",
        "one number was given where several are meant: write a list, [30] or [30, 60]; a loop "
        "counts with range(n).",
        "这里需要多个数，却只给了一个：请写成列表 [30] 或 [30, 60]；循环计数用 range(n)。",
    ),
    (
        r"'(?:int|float)' object is not subscriptable|'(?:int|float)' object has no attribute '(?:item|"
        r"backward|detach|cpu|numpy)'",
        "this is a Python number already, and no tensor: use it as it is.",
        "这已经是 Python 数而不是张量：直接使用即可。",
    ),
    (
        r"inconsistent use of tabs and spaces|unindent does not match any outer indentation level",
        "indent by four spaces alone: let the editor replace tabs by spaces in the whole file.",
        "缩进请统一用四个空格：在编辑器里把整个文件的制表符替换为空格。",
    ),
]

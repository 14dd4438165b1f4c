"""The fixes of errors whose text says what they are: rows of (pattern, English, Chinese).

The first pattern that is found in the error's text gives its hint; {0} and {1} stand for its groups.
Texts of Python's own are here, and those of our Python files; what C sets carries its hint from there,
or has a row. The tables of single subjects come first, and the rows below after them.
"""

import re

from flambeau._explain import fixes_of_data, fixes_of_models, fixes_of_tensors
from flambeau._explain.source import note

_FIXES = [
    # ---- data ----
    (
        r"object of type '(\w+)' has no len\(\)",
        "a dataset says how many samples it has: define __len__(self) in {0}, "
        "return len(self.data).",
        "数据集要说明有多少样本：请在 {0} 里定义 __len__(self)，return len(self.data)。",
    ),
    (
        r"(\w+)\.__getitem__\(\) takes 1 positional argument but 2 were given",
        "__getitem__ is given the number of the sample: def __getitem__(self, index) in {0}.",
        "__getitem__ 会收到样本的编号：请在 {0} 里写 def __getitem__(self, index)。",
    ),
    (
        r"expected Tensor as element (\d+) in argument 0, but got NoneType|found <class 'NoneType'>",
        "the dataset gives None for a sample: each way through __getitem__ must end with a return; "
        "leave bad samples out when the dataset is made, or in a collate_fn.",
        "数据集对某个样本返回了 None：__getitem__ 的每条分支都要 return 一个样本；"
        "坏样本请在建立数据集时去掉，或在 collate_fn 里去掉。",
    ),
    (
        r"expected Tensor as element (\d+) in argument 0, but got (\w+)",
        "element {0} of the list is of {1}: make all of them tensors first, torch.as_tensor(x).",
        "列表的第 {0} 个元素的类型是 {1}：请先把所有元素都变成张量：torch.as_tensor(x)。",
    ),
    (
        r"default_collate: batch must contain .* found (<class '.*?'>)",
        "__getitem__ gives a {0}, which cannot be joined to a batch: turn it into a tensor there (an "
        "image: transforms.ToTensor()), or give the DataLoader a collate_fn of your own.",
        "__getitem__ 返回了 {0}，无法合并成批次：请在其中把它变成张量（图片用 "
        "transforms.ToTensor()），或给 DataLoader 一个自己的 collate_fn。",
    ),
    (
        r"Size mismatch between tensors",
        "a TensorDataset pairs samples with labels: all its tensors need one size of dim 0; compare "
        "len(x) with len(y).",
        "TensorDataset 把样本和标签一一配对：所有张量的第 0 维大小必须相同；"
        "请比较 len(x) 与 len(y)。",
    ),
    (
        r"'DataLoader' object is not subscriptable",
        "a loader gives its batches in order: next(iter(loader)) for the first one, for batch in "
        "loader for all; a single sample: loader.dataset[i].",
        "DataLoader 只能按顺序取批次：第一批用 next(iter(loader))，全部用 for batch in loader；"
        "单个样本用 loader.dataset[i]。",
    ),
    (
        r"'_\w+DataLoaderIter' object has no attribute 'next'",
        "Python 3 writes next(iterator): batch = next(iter(loader)).",
        "Python 3 的写法是 next(iterator)：batch = next(iter(loader))。",
    ),
    (
        r"Sum of input lengths does not equal the length of the input dataset!",
        "lengths must add up: n = int(0.8 * len(data)), then [n, len(data) - n]; or give shares, "
        "[0.8, 0.2].",
        "各部分的长度之和必须等于数据集的长度：n = int(0.8 * len(data))，再写 "
        "[n, len(data) - n]；或直接给比例 [0.8, 0.2]。",
    ),
    # ---- models and their files ----
    (
        r"Expected state_dict to be dict-like, got <class 'str'>",
        "this is a path: read the file first, model.load_state_dict(torch.load(path)).",
        "传入的是文件路径：请先读取文件：model.load_state_dict(torch.load(path))。",
    ),
    (
        r"Expected state_dict to be dict-like, got <class '(?:method|function)'>",
        "this is the method and not its result: model.state_dict(), with brackets.",
        "传入的是方法本身而不是它的结果：请加括号，model.state_dict()。",
    ),
    (
        r"Expected state_dict to be dict-like",
        "this is a model: give its state, other.state_dict().",
        "传入的不是参数字典：若是模型，请传入 other.state_dict()。",
    ),
    (
        r"'(?:collections\.)?(?:OrderedDict|dict)' object (?:has no attribute '(?:eval|train|to|cuda|"
        r"cpu|parameters|forward|state_dict|load_state_dict)'|is not callable)",
        "the file holds the parameters (a state_dict) and no model: make the model, model = Net(), "
        "and then model.load_state_dict(torch.load(path)).",
        "文件里只有参数（state_dict），没有模型：请先建立模型 model = Net()，"
        "再 model.load_state_dict(torch.load(path))。",
    ),
    (
        r"'_IncompatibleKeys' object",
        "load_state_dict changes the model itself and gives back the names that did not fit: call it "
        "without `model = ` before it.",
        "load_state_dict 就地修改模型，返回的是没有对上的名字：调用时不要写 model = 。",
    ),
    (
        r"Unsupported global: GLOBAL (?:builtins\.)?getattr ",
        "the file holds a method and no tensors: it was saved without brackets; save it again with "
        "torch.save(model.state_dict(), path).",
        "文件里保存的是方法而不是张量：保存时漏了括号；请重新保存："
        "torch.save(model.state_dict(), path)。",
    ),
    (
        r"Unsupported global: GLOBAL \S*\.nn\.",
        "the file holds a whole model, whose reading runs code: save torch.save(model.state_dict(), "
        "path) and load it into a model, model.load_state_dict(torch.load(path)); of a file that you "
        "trust: torch.load(path, weights_only=False).",
        "文件里保存的是整个模型，读取它会执行代码：请保存 torch.save(model.state_dict(), path)，"
        "再 model.load_state_dict(torch.load(path))；若信任该文件：torch.load(path, "
        "weights_only=False)。",
    ),
    (
        r"Unsupported global: GLOBAL (\S+) ",
        "the file holds an object of {0}, whose reading runs code: save tensors, numbers, lists and "
        "dicts alone; of a file that you trust: torch.load(path, weights_only=False).",
        "文件里有 {0} 的对象，读取它会执行代码：请只保存张量、数、列表和字典；"
        "若信任该文件：torch.load(path, weights_only=False)。",
    ),
    (
        r"Only Tensors created explicitly by the user \(graph leaves\) support the deepcopy",
        "a result of a computation is copied by x.detach().clone(), or with its history by x.clone(); "
        "a model that keeps such a result as an attribute: store it detached.",
        "计算得到的张量用 x.detach().clone() 复制；若要保留计算历史，用 x.clone()；"
        "若模型把它存为属性，请存 detach() 之后的。",
    ),
    (
        r"Fan in and fan out can not be computed for tensor with fewer than 2 dimensions",
        "this one is a bias: initialise weights alone, `if p.dim() > 1:`, and biases with "
        "nn.init.zeros_(p).",
        "这是一维的偏置：请只对权重做这种初始化（if p.dim() > 1:），偏置用 nn.init.zeros_(p)。",
    ),
    (
        r"training mode is expected to be boolean",
        "model.train() switches to training, model.eval() to evaluation.",
        "训练模式应为布尔值：训练用 model.train()，评估用 model.eval()。",
    ),
    # ---- optimizers ----
    (
        r"(\w+) is not an Optimizer",
        "a scheduler changes the learning rate of an optimizer: StepLR(optimizer, ...), made after "
        "optimizer = torch.optim.SGD(model.parameters(), ...).",
        "学习率调度器要的是优化器而不是 {0}：先建立 optimizer = "
        "torch.optim.SGD(model.parameters(), ...)，再写 StepLR(optimizer, ...)。",
    ),
    (
        r"'<=' not supported between instances of '(?:float|int)' and 'str'",
        "the option is a text: make it a number, float(lr) (YAML reads 1e-3 as a text, and 1.0e-3 as a "
        "number).",
        "该参数是字符串：请转换为数：float(lr)（YAML 把 1e-3 读作字符串，把 1.0e-3 读作数）。",
    ),
    (
        r"can't optimize a non-leaf Tensor",
        "the tensor was computed, as by .to() or a product: make it a leaf, "
        "x = x.detach().requires_grad_(), before the optimizer.",
        "该张量是算出来的（例如经过 .to() 或乘法）：请先变成叶子张量 "
        "x = x.detach().requires_grad_()，再建立优化器。",
    ),
    # ---- recurrent networks and attention ----
    (
        r"was expecting embedding dimension of (\d+), but got (\d+)",
        "the layer was made for {0} features (embed_dim, d_model), and the input's last dim has {1}: "
        "make it with {1}, or bring the input to {0} by nn.Linear({1}, {0}) before.",
        "该层是为 {0} 个特征建立的（embed_dim、d_model），而输入的最后一维是 {1}：请把它改为 {1}，"
        "或先用 nn.Linear({1}, {0}) 把输入变为 {0} 维。",
    ),
    (
        r"The shape of the 2D attn_mask is torch\.Size\(\[[\d, ]*\]\), but should be \((\d+), (\d+)\)",
        "the mask must have the length of this input: make it anew for each batch, "
        "nn.Transformer.generate_square_subsequent_mask({0}), or cut it, mask[:{0}, :{1}].",
        "掩码的大小必须与这次输入的长度一致：请按批次重新建立 "
        "nn.Transformer.generate_square_subsequent_mask({0})，或截取 mask[:{0}, :{1}]。",
    ),
    (
        r"key_padding_mask shape of \((\d+), (\d+)\)|key_padded_mask",
        "a padding mask is (batch, length), True where a position is padding, also where the input is "
        "(length, batch, features): transposed it fits, mask.T.",
        "填充掩码的形状是（批次, 长度），填充处为 True，即使输入是（长度, 批次, 特征）也如此："
        "请转置：mask.T。",
    ),
    (
        r"`lengths` array must be sorted in decreasing order",
        "give enforce_sorted=False, and the order is taken care of.",
        "长度没有从大到小排列：请加上 enforce_sorted=False，排序会自动处理。",
    ),
    # ---- functions called otherwise than they are ----
    (
        r"'type' object does not support the (?:asynchronous )?context manager protocol"
        r"|'(?:function|method)' object does not support the context manager protocol",
        "brackets are missing: with torch.no_grad():",
        "漏了括号：with torch.no_grad():",
    ),
    (
        r"slice indices must be integers or None",
        "/ always gives a float: use //, or int(n).",
        "除法 / 的结果总是浮点数：请用 //，或 int(n)。",
    ),
    (
        r"'(?:numpy\.)?ndarray' object has no attribute '(\w+)'",
        "this is a NumPy array: make it a tensor, torch.from_numpy(x).",
        "这是 NumPy 数组：请先变成张量：torch.from_numpy(x)。",
    ),
    (
        r"unsupported format string passed to (?:Tensor|Parameter)\.__format__",
        "a format such as :.3f is for one number: format loss.mean(), or each of x.tolist(); "
        "torch.set_printoptions(precision=3) sets how tensors print.",
        ":.3f 这样的格式只适用于一个数：请格式化 loss.mean()，或 x.tolist() 里的每个数；"
        "张量的打印格式用 torch.set_printoptions(precision=3)。",
    ),
    (
        r"^iteration over a 0-d tensor",
        "the tensor is one number: x.item() is its value; for a loop keep a dim, x.unsqueeze(0).",
        "该张量只是一个数，不能遍历：取值用 x.item()；要遍历请保留一维：x.unsqueeze(0)。",
    ),
    (
        r"^len\(\) of a 0-d tensor",
        "the tensor is one number and has no length: x.item() is its value; x.numel() counts "
        "elements.",
        "该张量只是一个数，没有长度：取值用 x.item()；元素个数用 x.numel()。",
    ),
    (
        r"'(?:Tensor|Parameter)' object has no attribute 'astype'",
        "a tensor is converted by x.to(torch.float32), or x.float(), x.long().",
        "张量的类型转换写作 x.to(torch.float32)，或 x.float()、x.long()。",
    ),
    (
        r"'(?:Tensor|Parameter)' object has no attribute 'copy'",
        "a tensor is copied by x.clone() (x.detach().clone() without its history).",
        "复制张量用 x.clone()（不要计算历史时用 x.detach().clone()）。",
    ),
    (
        r"'(?:Tensor|Parameter)' object has no attribute '(?:append|extend)'",
        "a tensor has a fixed size: collect in a list and join it once, torch.stack(items) or "
        "torch.cat(items).",
        "张量的大小是固定的：请先放进列表，最后合并一次：torch.stack(items) 或 torch.cat(items)。",
    ),
    (
        r"module 'torch' has no attribute 'array'|Flambeau has no torch\.array",
        "a tensor is made by torch.tensor([1, 2, 3]); np.array makes NumPy's.",
        "建立张量用 torch.tensor([1, 2, 3])；np.array 建立的是 NumPy 数组。",
    ),
    (
        r"Class values must be smaller than num_classes",
        "classes run from 0 to num_classes - 1: give a larger num_classes (int(x.max()) + 1), or "
        "subtract 1 from labels that begin at 1.",
        "类别编号从 0 到 num_classes - 1：请增大 num_classes（int(x.max()) + 1），"
        "或把从 1 开始的标签减 1。",
    ),
    (
        r"one_hot is only applicable to index tensor",
        "classes are integers: F.one_hot(x.long(), num_classes).",
        "类别编号必须是整数：F.one_hot(x.long(), num_classes)。",
    ),
    (
        r"'NoneType' object|not NoneType",
        "this is None: a function or forward without `return` gives None, as do x.backward() and "
        "methods that only change something.",
        "这是 None：没有 return 的函数或 forward 返回 None，x.backward() 等只做修改的方法也返回 None。",
    ),
    (
        r"object is not callable",
        "a value is called as a function: look at where its name was given to something else, and "
        "write * for a product, [ ] for an element.",
        "把一个值当作函数调用了：请看它的名字在哪里被赋了别的值；乘法写 *，取元素用 [ ]。",
    ),
    (
        r"must be torch\.dtype, not str",
        "a dtype is written without quotes: dtype=torch.float32.",
        "数据类型不加引号：dtype=torch.float32。",
    ),
]


def explain(error):
    """Adds the fix of the first row that fits to an exception."""
    text = str(error)
    for pattern, english, chinese in (
        *fixes_of_data.FIXES,
        *fixes_of_models.FIXES,
        *fixes_of_tensors.FIXES,
        *_FIXES,
    ):
        found = re.search(pattern, text)
        if found:
            groups = [group for group in found.groups() if group is not None]
            note(error, english.format(*groups), chinese.format(*groups))
            return

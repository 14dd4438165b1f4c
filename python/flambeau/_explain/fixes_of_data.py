"""Fixes for errors of datasets, loaders, files and image transforms: rows as in fixes.py."""

FIXES = [
    # ---- datasets and loaders ----
    (
        r"object of type 'type' has no len\(\)",
        "this is the class and no dataset: make an object of it first, with brackets, "
        "dataset = Data(...).",
        "传入的是类而不是数据集对象：请先加括号建立对象：dataset = Data(...)。",
    ),
    (
        r"Subclasses of Dataset should implement __getitem__",
        "the dataset needs the method __getitem__(self, index), spelled with two underscores on "
        "either side, which returns one sample and its label.",
        "数据集需要方法 __getitem__(self, index)（两边各两个下划线），返回一个样本和它的标签。",
    ),
    (
        r"batch_size should be a positive integer value, but got batch_size=(.+)",
        "batch_size says how many samples a batch has, a whole number from 1 on, such as 32; one "
        "that is computed: max(1, n).",
        "batch_size 是每批的样本数，必须是从 1 起的整数，例如 32；若是算出来的，请写 max(1, n)。",
    ),
    (
        r"'list' object has no attribute '(to|cuda|cpu|float|long|shape|size|view|dim)'",
        "this is a list, not a tensor: the batch of a loader is unpacked, `for x, y in loader`, "
        "and each part is used by itself, x.{0}...; a list of numbers becomes a tensor by "
        "torch.tensor(x).",
        "这是列表，不是张量：请把加载器的批次拆开 for x, y in loader，再分别使用 x.{0}...；"
        "数的列表用 torch.tensor(x) 变成张量。",
    ),
    (
        r"expected unspecified shuffle option",
        "an IterableDataset gives its samples in its own order: leave shuffle out, and shuffle in "
        "its __iter__, or make it a Dataset with __getitem__ and __len__.",
        "IterableDataset 按自己的顺序给出样本：请去掉 shuffle，在 __iter__ 里打乱；"
        "或改成有 __getitem__ 和 __len__ 的 Dataset。",
    ),
    (
        r"(batch_)?sampler option is mutually exclusive with",
        "the sampler decides the order: leave shuffle=True out (with a batch_sampler also "
        "batch_size and drop_last), or leave out the sampler.",
        "顺序已由采样器决定：请去掉 shuffle=True（用 batch_sampler 时还要去掉 batch_size 和 "
        "drop_last），或去掉采样器。",
    ),
    (
        r"cannot sample n_sample > prob_dist\.size",
        "without replacement no more can be drawn than there is: take fewer (num_samples), or "
        "replacement=True.",
        "不放回抽样时，抽取的个数不能超过总数：请减小 num_samples，或用 replacement=True。",
    ),
    # ---- files ----
    (
        r"No such file or directory: '([^/'][^']*)'",
        "the path is taken from the folder that the program was started in (print(os.getcwd())), "
        "not from the program's: start it there, give the whole path, or "
        "pathlib.Path(__file__).parent / '{0}'.",
        "相对路径从启动程序时所在的文件夹算起（print(os.getcwd())），而不是程序所在的文件夹："
        "请在那里启动，写出完整路径，或用 pathlib.Path(__file__).parent / '{0}'。",
    ),
    (
        r"No such file or directory: '([^']*)'",
        "there is nothing by that path: compare it letter by letter with os.listdir of the folders "
        "above it; what was never saved cannot be loaded.",
        "该路径不存在：请用 os.listdir 逐级核对上层文件夹和大小写；文件也可能还没有保存过。",
    ),
    (
        r"Parent directory (.*) does not exist",
        "make the folder first: os.makedirs('{0}', exist_ok=True).",
        "请先建立文件夹：os.makedirs('{0}', exist_ok=True)。",
    ),
    (
        r"expected 'f' to be string, path, or a file-like object with a 'write' attribute",
        "the object comes first and the path second: torch.save(model.state_dict(), path).",
        "先写对象，再写路径：torch.save(model.state_dict(), path)。",
    ),
    (
        r"codec can't decode byte",
        "the text is in another encoding: for Chinese files of Windows open(path, encoding='gbk') "
        "(or 'gb18030'), else 'utf-8'; a file that is no text is opened in mode 'rb'.",
        "文本的编码不对：Windows 的中文文件用 open(path, encoding='gbk')（或 'gb18030'），"
        "其他用 'utf-8'；不是文本的文件用 'rb' 模式打开。",
    ),
    # ---- images ----
    (
        r"pic should be PIL Image or ndarray\. Got <class '[\w.]*Tensor'>",
        "this is a tensor already: leave ToTensor out, or put it after the transforms that work "
        "on images.",
        "输入已经是张量：请去掉 ToTensor，或检查变换的顺序。",
    ),
    (
        r"img should be Tensor Image\. Got",
        "Normalize works on tensors: put it after ToTensor, Compose([..., ToTensor(), "
        "Normalize(...)]).",
        "Normalize 处理的是张量：请放在 ToTensor 之后：Compose([..., ToTensor(), Normalize(...)])。",
    ),
    (
        r"Unexpected type <class 'numpy\.ndarray'>",
        "the transform takes images or tensors: begin with PIL.Image.fromarray(array), or with "
        "ToTensor().",
        "该变换需要图片或张量：请先用 PIL.Image.fromarray(array)，或把 ToTensor() 放在最前面。",
    ),
    (
        r"ToTensor\(\) takes no arguments|(\w+)\(\) takes no arguments",
        "this is a class: make an object of it, with brackets of its own, ToTensor().",
        "这是类：请加括号建立对象，例如 ToTensor()。",
    ),
    (
        r"Compose\.__init__\(\) takes 2 positional arguments",
        "the transforms are given as one list: Compose([ToTensor(), Normalize(...)]).",
        "所有变换要放在一个列表里：Compose([ToTensor(), Normalize(...)])。",
    ),
    (
        r"output with shape \[1, .*doesn't match the broadcast shape \[3,",
        "the image has one channel, and three means or deviations were given: Normalize((0.5,), "
        "(0.5,)), or make it RGB, image.convert('RGB').",
        "图片只有一个通道，却给了三个均值和标准差：请写 Normalize((0.5,), (0.5,))，"
        "或先转为彩色 image.convert('RGB')。",
    ),
]

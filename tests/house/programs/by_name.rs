//! Uses the library from Rust through its C ABI alone, with no header: operators by name, a result
//! that is a tensor, a gradient, and an error that becomes a Result.
use std::ffi::{c_char, c_int, c_void, CStr, CString};

#[repr(C)]
struct Ints {
    data: *const i64,
    count: i64,
}

/// An fl_value: a tag, a count, and eight bytes that the tag explains.
#[repr(C)]
#[derive(Clone, Copy)]
struct Value {
    tag: u32,
    count: u32,
    bits: u64,
}

const FLOATING: u32 = 3;
const TENSOR: u32 = 4;
const FLOAT32: c_int = 9;

#[link(name = "flambeau")]
extern "C" {
    fn fl_from_data(data: *const c_void, sizes: Ints, dtype: c_int) -> *mut c_void;
    fn fl_release(t: *mut c_void);
    fn fl_op_find(name: *const c_char) -> *const c_void;
    fn fl_call(op: *const c_void, nargs: c_int, args: *const Value, nresults: c_int,
               results: *mut Value) -> c_int;
    fn fl_set_requires_grad(t: *mut c_void, requires_grad: bool) -> c_int;
    fn fl_backward(loss: *mut c_void) -> c_int;
    fn fl_grad(t: *const c_void) -> *mut c_void;
    fn fl_data(t: *const c_void) -> *mut f32;
    fn fl_item(t: *const c_void) -> f64;
    fn fl_error_message() -> *const c_char;
    fn fl_error_clear();
}

/// A tensor that is released when it goes out of sight.
struct Tensor(*mut c_void);

impl Drop for Tensor {
    fn drop(&mut self) {
        unsafe { fl_release(self.0) }
    }
}

fn last_error() -> String {
    unsafe {
        let text = CStr::from_ptr(fl_error_message()).to_string_lossy().into_owned();
        fl_error_clear();
        text
    }
}

impl Tensor {
    fn new(numbers: &[f32]) -> Result<Tensor, String> {
        let size = numbers.len() as i64;
        let t = unsafe {
            fl_from_data(numbers.as_ptr().cast(), Ints { data: &size, count: 1 }, FLOAT32)
        };
        if t.is_null() { Err(last_error()) } else { Ok(Tensor(t)) }
    }

    fn value(&self) -> Value {
        Value { tag: TENSOR, count: 0, bits: self.0 as u64 }
    }
}

fn call(name: &str, args: &[Value]) -> Result<Tensor, String> {
    let name = CString::new(name).unwrap();
    let mut result = Value { tag: 0, count: 0, bits: 0 };
    let status = unsafe {
        fl_call(fl_op_find(name.as_ptr()), args.len() as c_int, args.as_ptr(), 1, &mut result)
    };
    if status == 0 { Ok(Tensor(result.bits as *mut c_void)) } else { Err(last_error()) }
}

fn main() -> Result<(), String> {
    let x = Tensor::new(&[1.0, 2.0, 3.0])?;
    unsafe { fl_set_requires_grad(x.0, true) };
    let factor = Value { tag: FLOATING, count: 0, bits: 0.5f64.to_bits() };
    let half = call("mul.Tensor", &[x.value(), factor])?;
    let y = call("sum", &[call("mul.Tensor", &[half.value(), x.value()])?.value()])?;
    println!("{}", unsafe { fl_item(y.0) });
    if unsafe { fl_backward(y.0) } != 0 {
        return Err(last_error());
    }
    let gradient = unsafe { std::slice::from_raw_parts(fl_data(fl_grad(x.0)), 3) };
    println!("{:?}", gradient);
    let other = Tensor::new(&[1.0, 2.0])?;
    match call("add.Tensor", &[x.value(), other.value()]) {
        Ok(_) => Err("sizes 3 and 2 were added".into()),
        Err(text) => Ok(println!("{}", text.lines().next().unwrap())),
    }
}

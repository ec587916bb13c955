//! Tells the tests which brokers are installed.

fn main() {
    installed::tell_cargo();
}

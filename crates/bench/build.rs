//! Finds out which brokers the tests can start.

fn main() {
    installed::tell_cargo();
}

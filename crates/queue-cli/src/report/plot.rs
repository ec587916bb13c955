//! A plot of the order of arrival against the order of sending.

/// In characters.
const WIDTH: usize = 64;
const HEIGHT: usize = 16;
/// A braille character has 2 × 4 dots: <https://www.unicode.org/charts/PDF/U2800.pdf>
const DOTS_ACROSS: usize = 2;
const DOTS_DOWN: usize = 4;
const BRAILLE: u32 = 0x2800;
const DOTS: [[u32; DOTS_ACROSS]; DOTS_DOWN] =
    [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// Plots messages. `ranks` contains for each message, in the order of arrival, its rank in the order of sending.
pub(super) fn plot(ranks: &[usize]) -> String {
    let mut characters = vec![vec![BRAILLE; WIDTH]; HEIGHT];
    let end = ranks.len().saturating_sub(1).max(1);
    for (arrived, sent) in ranks.iter().enumerate() {
        let across = scale(arrived, end, WIDTH * DOTS_ACROSS);
        // the message that was sent first is at the bottom
        let down = HEIGHT * DOTS_DOWN - 1 - scale(*sent, end, HEIGHT * DOTS_DOWN);
        let character = characters
            .get_mut(down / DOTS_DOWN)
            .and_then(|row| row.get_mut(across / DOTS_ACROSS));
        let dot = DOTS
            .get(down % DOTS_DOWN)
            .and_then(|row| row.get(across % DOTS_ACROSS));
        if let (Some(character), Some(dot)) = (character, dot) {
            *character |= dot;
        }
    }
    let mut text = format!("sent ↑  {} messages\n", ranks.len());
    for row in characters {
        let row: String = row.into_iter().filter_map(char::from_u32).collect();
        text.push('│');
        text.push_str(row.trim_end_matches('\u{2800}'));
        text.push('\n');
    }
    text.push('└');
    text.push_str(&"─".repeat(WIDTH));
    text.push_str(" received →");
    text
}

/// Scales a value in `0..=end` to `0..count`.
fn scale(value: usize, end: usize, count: usize) -> usize {
    (value * (count - 1) + end / 2) / end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(ranks: &[usize]) -> Vec<String> {
        plot(ranks).lines().map(str::to_owned).collect()
    }

    #[test]
    fn messages_in_order_form_a_diagonal() {
        let rows = rows(&(0..1000).collect::<Vec<_>>());
        assert_eq!(rows.len(), 1 + HEIGHT + 1);
        let ends: Vec<usize> = rows[1..=HEIGHT]
            .iter()
            .map(|row| row.chars().count())
            .collect();
        // each row is shorter than the one above it
        assert!(ends.windows(2).all(|pair| pair[0] > pair[1]), "{ends:?}");
        assert_eq!(ends[0], 1 + WIDTH);
    }

    #[test]
    fn a_late_message_is_away_from_the_diagonal() {
        let rows = rows(&[1, 2, 3, 0]);
        assert_eq!(rows[1].chars().count(), 1 + scale(2, 3, 128) / 2 + 1);
        // the message that was sent first arrived last: it is in the corner at the bottom right
        assert_eq!(rows[HEIGHT].chars().count(), 1 + WIDTH);
    }

    #[test]
    fn no_message_and_a_single_one_can_be_plotted() {
        assert!(plot(&[]).starts_with("sent ↑  0"));
        assert!(plot(&[0]).contains('⡀'));
    }
}

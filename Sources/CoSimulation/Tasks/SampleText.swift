import Training

/// A text of this project's own: small stories about machines at work, put together from phrases by chance. It has words, agreement and
/// punctuation to be learnt, and belongs to nobody.
public enum SampleText {
    /// About `size` bytes, the same for the same seed.
    public static func make(size: Int = 120_000, seed: UInt64 = 1) -> [UInt8] {
        var draws = SeededDraws(seed: seed)
        func pick(_ words: [String]) -> String { words[Int(draws.next() % UInt64(words.count))] }
        let one = [
            "the slow worker", "a tired machine", "the old clock", "the first node", "a small model", "the last engine", "our server",
        ]
        let many = ["the fast workers", "all machines", "seven quiet nodes", "the other engines", "most models", "the new servers"]
        let verbs = ["wait", "count", "carry", "sum", "send", "forget", "find", "measure"]
        let things = [
            "the gradients", "every step", "a long message", "the weights", "what it lost", "ten samples", "the noise", "its share",
        ]
        let when = ["at night", "before the meeting", "in the morning", "after a while", "again and again", "once a day", "without a word"]
        let links = ["because", "while", "although", "until", "and so", "but"]
        func clause() -> String {
            let single = draws.next() % 2 == 0
            return "\(single ? pick(one) : pick(many)) \(pick(verbs))\(single ? "s" : "") \(pick(things))"
        }
        var text = ""
        while text.utf8.count < size {
            var sentence = clause()
            if draws.next() % 3 != 0 { sentence += " \(pick(when))" }
            if draws.next() % 2 == 0 { sentence += ", \(pick(links)) \(clause())" }
            text += sentence.prefix(1).uppercased() + sentence.dropFirst() + (draws.next() % 8 == 0 ? ".\n" : ". ")
        }
        return Array(text.utf8)
    }
}

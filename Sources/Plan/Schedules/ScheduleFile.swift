import Foundation

/// A schedule as a text file that people and executors read:
///
/// ```
/// schedule zb-h1
/// micro-batches 2
/// chunks 1
/// parts B W
/// rank 0 stages 0: F0 F1 B0 W0 B1 W1
/// rank 1 stages 1: F0 B0 F1 B1 W0 W1
/// ```
///
/// `parts` is `B` where B is the whole backward, `B W` where W stands apart. `stages` are the virtual stages of the rank's chunks, in order.
/// `F3.1` is the forward of micro-batch 3 through chunk 1; chunk 0 is not written. `F5+B2+W2` runs as one block. `#` starts a comment.
extension PipelineSchedule {
    /// The file's text. Reading it back gives an equal schedule.
    public var text: String {
        var lines = ["schedule \(name)", "micro-batches \(microBatches)", "chunks \(chunks)", "parts \(splitsBackward ? "B W" : "B")"]
        for (rank, list) in ranks.enumerated() {
            let stages = (virtualStage.indices.contains(rank) ? virtualStage[rank] : []).map(String.init).joined(separator: " ")
            var line = "rank \(rank) stages \(stages):"
            var joined = false
            for instruction in list {
                line += (joined ? "+" : " ") + instruction.description
                joined = instruction.joinsNext
            }
            lines.append(line)
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Reads a schedule's text and validates it.
    /// - Throws: `ScheduleError` with the line that is wrong, or as `validate()` does.
    public init(parsing text: String) throws(ScheduleError) {
        var reader = ScheduleReader()
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            try reader.read(line, number: number + 1)
        }
        self = try reader.finish()
        try validate()
    }

    /// - Throws: `ScheduleError` when the file cannot be written.
    public func write(to path: String) throws(ScheduleError) {
        do {
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        } catch {
            throw ScheduleError("\(path): cannot be written: \(error.localizedDescription)")
        }
    }

    /// - Throws: `ScheduleError` with file and line.
    public static func read(from path: String) throws(ScheduleError) -> PipelineSchedule {
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw ScheduleError("\(path): cannot be read: \(error.localizedDescription)")
        }
        do {
            return try PipelineSchedule(parsing: text)
        } catch {
            throw ScheduleError("\(path): \(error.message)")
        }
    }
}

/// Reads the text form line by line.
private struct ScheduleReader {
    private var name: String?
    private var microBatches: Int?
    private var chunks: Int?
    private var splits: Bool?
    private var ranks: [[Instruction]] = []
    private var stages: [[Int]] = []

    mutating func read(_ line: Substring, number: Int) throws(ScheduleError) {
        let content = line.prefix { $0 != "#" }
        let words = content.split { $0.isWhitespace }
        guard let key = words.first else { return }
        switch key {
        case "schedule": name = words.dropFirst().joined(separator: " ")
        case "micro-batches": microBatches = try whole(words, number, atLeast: 1)
        case "chunks": chunks = try whole(words, number, atLeast: 1)
        case "parts":
            switch words.dropFirst().joined(separator: " ") {
            case "B": splits = false
            case "B W": splits = true
            default: throw ScheduleError("line \(number): \"\(content)\": write \"parts B\" or \"parts B W\"")
            }
        case "rank": try readRank(content, number)
        default:
            throw ScheduleError("line \(number): unknown key \"\(key)\"; there are schedule, micro-batches, chunks, parts, rank")
        }
    }

    func finish() throws(ScheduleError) -> PipelineSchedule {
        guard let name, let microBatches, let chunks, let splits else {
            throw ScheduleError("the lines schedule, micro-batches, chunks and parts are all needed")
        }
        return PipelineSchedule(
            name: name, ranks: ranks, microBatches: microBatches, chunks: chunks, splitsBackward: splits, virtualStage: stages)
    }

    private func whole(_ words: [Substring], _ number: Int, atLeast least: Int) throws(ScheduleError) -> Int {
        guard words.count == 2, let value = Int(words[1]), value >= least, value <= 1 << 28 else {
            throw ScheduleError("line \(number): \(words[0]) needs one whole number, \(least) or more")
        }
        return value
    }

    private mutating func readRank(_ content: Substring, _ number: Int) throws(ScheduleError) {
        let halves = content.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let head = halves[0].split { $0.isWhitespace }
        guard halves.count == 2, head.count >= 4, head[2] == "stages", let rank = Int(head[1]) else {
            throw ScheduleError("line \(number): write a rank as \"rank 0 stages 0 7: F0 F1 ...\"")
        }
        guard rank == ranks.count else {
            throw ScheduleError("line \(number): rank \(rank) where rank \(ranks.count) comes next")
        }
        var held: [Int] = []
        for word in head[3...] {
            guard let stage = Int(word), (0...(1 << 28)).contains(stage) else {
                throw ScheduleError("line \(number): \"\(word)\" is no virtual stage (0, 1, ...)")
            }
            held.append(stage)
        }
        var list: [Instruction] = []
        for word in halves[1].split(whereSeparator: \.isWhitespace) {
            let joined = word.split(separator: "+", omittingEmptySubsequences: false)
            for (i, part) in joined.enumerated() {
                guard var instruction = Self.instruction(part) else {
                    throw ScheduleError(
                        "line \(number): \"\(part)\" is no instruction; write for instance F0, B3, W2 or, with a chunk, F3.1")
                }
                instruction.joinsNext = i + 1 < joined.count
                list.append(instruction)
            }
        }
        ranks.append(list)
        stages.append(held)
    }

    private static func instruction(_ word: Substring) -> Instruction? {
        guard let letter = word.first, let kind = Instruction.Kind(rawValue: String(letter)) else { return nil }
        let numbers = word.dropFirst().split(separator: ".", omittingEmptySubsequences: false)
        guard numbers.count <= 2, let first = numbers.first, let micro = Int(first), micro >= 0 else { return nil }
        guard numbers.count == 2 else { return Instruction(kind, micro) }
        guard let chunk = Int(numbers[1]), chunk >= 0 else { return nil }
        return Instruction(kind, micro, chunk: chunk)
    }
}

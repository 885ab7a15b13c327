import Quantities

extension PipelineSchedule {
    /// The lists, a line a rank: `stage 0: F0 F1 B0 B1`. Chunks are written as `F0.1`, joined instructions with `+`.
    public func drawing() -> String {
        ranks.enumerated().map { rank, list in
            var line = "stage \(rank):"
            var joined = false
            for instruction in list {
                line += (joined ? "+" : " ") + instruction.description
                joined = instruction.joinsNext
            }
            return line
        }.joined(separator: "\n")
    }

    /// A grid of time: a line a rank, a column for each `unit` of time, idle columns as dots. A column holds the instruction that runs at its
    /// middle; one that lasts several columns is drawn with dashes. At most `columns` columns, then the line ends in "...".
    /// - Parameter unit: seconds of a column; nil: the shortest instruction
    /// - Throws: `ScheduleError` when the schedule is not valid or the costs do not match it.
    public func grid(_ costs: ScheduleCosts, unit: Double? = nil, columns: Int = 200) throws(ScheduleError) -> String {
        let timing = try timing(costs)
        let shortest = timing.start.indices.map { timing.finish[$0] - timing.start[$0] }.filter { $0 > 0 }.min() ?? 1
        let step = unit.map { $0 > 0 ? $0 : shortest } ?? shortest
        let width = ranks.joined().map { $0.description.count }.max() ?? 1
        let wanted = Int(min(Double(max(1, columns)), (timing.makespan / step - 1e-9).rounded(.up)))
        let cut = Double(wanted) * step < timing.makespan * (1 - 1e-9)
        func cell(_ text: String, _ fill: Character) -> String { text + String(repeating: fill, count: max(0, width + 1 - text.count)) }
        return ranks.indices.map { rank in
            var position = 0
            var drawn = -1
            var line = "stage \(rank): "
            for column in 0..<wanted {
                let middle = (Double(column) + 0.5) * step
                while position + 1 < ranks[rank].count, timing.times(rank: rank, position: position).finish <= middle { position += 1 }
                let at = ranks[rank].isEmpty ? (start: 0.0, finish: 0.0) : timing.times(rank: rank, position: position)
                if at.start <= middle, middle < at.finish {
                    let lasts = at.finish > (Double(column) + 1.5) * step
                    line += cell(drawn == position ? "" : ranks[rank][position].description, lasts ? "-" : " ").replacingEmpty(width, lasts)
                    drawn = position
                } else {
                    line += cell(".", " ")
                }
            }
            while line.last == " " { line.removeLast() }
            return line + (cut ? " ..." : "")
        }.joined(separator: "\n")
    }
}

extension String {
    /// A cell that goes on with an instruction drawn before: dashes to its end.
    fileprivate func replacingEmpty(_ width: Int, _ lasts: Bool) -> String {
        first == " " && !lasts ? String(repeating: "-", count: width) + " " : self
    }
}

extension PipelineSchedule {
    /// The schedule as an SVG picture: a row a rank, time to the right, F blue, B green, W orange (lighter for later chunks), idle time blank.
    /// Hovering over an instruction shows its name and times.
    /// - Parameter width: of the picture in pixels
    /// - Throws: `ScheduleError` when the schedule is not valid or the costs do not match it.
    public func svg(_ costs: ScheduleCosts, width: Double = 1200) throws(ScheduleError) -> String {
        let timing = try timing(costs)
        let (left, row, gap) = (70.0, 22.0, 4.0)
        let scale = timing.makespan > 0 ? (width - left - 10) / timing.makespan : 0
        let height = Double(ranks.count) * (row + gap) + 40
        var out = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(number(width)) \(number(height))\" "
                + "font-family=\"sans-serif\" font-size=\"11\">",
            "<title>\(escaped(name)): \(ranks.count) ranks, \(microBatches) micro-batches</title>",
        ]
        for (rank, list) in ranks.enumerated() {
            let y = Double(rank) * (row + gap) + 10
            out.append("<text x=\"4\" y=\"\(number(y + 15))\">stage \(rank)</text>")
            for (position, instruction) in list.enumerated() {
                let (start, finish) = timing.times(rank: rank, position: position)
                let x = left + start * scale
                let wide = (finish - start) * scale
                // Members of a block share its times: each takes its own lane of the row.
                let (lane, lanes) = lane(list, position)
                let high = row / Double(lanes)
                let top = y + Double(lane) * high
                out.append(
                    "<rect x=\"\(number(x))\" y=\"\(number(top))\" width=\"\(number(wide))\" height=\"\(number(high))\" "
                        + "fill=\"\(colour(instruction))\" stroke=\"#fff\" stroke-width=\"0.5\"><title>\(instruction), virtual stage "
                        + "\(virtualStage[rank][instruction.chunk]): \(significant(start)) to \(significant(finish)) s</title></rect>")
                if wide > 14, lanes == 1 {
                    out.append(
                        "<text x=\"\(number(x + wide / 2))\" y=\"\(number(y + 15))\" text-anchor=\"middle\" "
                            + "pointer-events=\"none\">\(instruction.microBatch)</text>")
                }
            }
        }
        let idle =
            (0..<ranks.count).map { timing.makespan > 0 ? timing.bubble[$0] / timing.makespan : 0 }.reduce(0, +)
            / Double(max(1, ranks.count))
        out.append(
            "<text x=\"4\" y=\"\(number(height - 10))\">\(escaped(name)): \(significant(timing.makespan)) s, idle "
                + "\(fixed(idle * 100, decimals: 1)) % on average</text>")
        out.append("</svg>")
        return out.joined(separator: "\n") + "\n"
    }

    private func number(_ value: Double) -> String { fixed(value, decimals: 2, trim: true) }

    private func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
    }

    private func colour(_ instruction: Instruction) -> String {
        let late = instruction.chunk % 2 == 1
        return switch instruction.kind {
        case .forward: late ? "#a6cee3" : "#5b9bd5"
        case .backward: late ? "#b2df8a" : "#70ad47"
        case .weight: late ? "#fdd49e" : "#f4a259"
        }
    }

    /// Which lane of how many an instruction takes within its block.
    private func lane(_ list: [Instruction], _ position: Int) -> (Int, Int) {
        var first = position
        while first > 0, list[first - 1].joinsNext { first -= 1 }
        var last = position
        while last + 1 < list.count, list[last].joinsNext { last += 1 }
        return (position - first, last - first + 1)
    }
}

import Quantities

/// A small picture of curves or bars as SVG that needs no script.
struct Plot {
    private let width = 640.0
    private let height = 220.0
    private let left = 64.0
    private let bottom = 34.0
    var x: ClosedRange<Double>
    var y: ClosedRange<Double>
    var xTitle: String
    var yTitle: String
    private var shapes: [Markup] = []

    init(x: ClosedRange<Double>, y: ClosedRange<Double>, xTitle: String, yTitle: String) {
        (self.x, self.y, self.xTitle, self.yTitle) = (x, y, xTitle, yTitle)
    }

    private func across(_ value: Double) -> Double {
        left + (value - x.lowerBound) / max(x.upperBound - x.lowerBound, 1e-300) * (width - left - 12)
    }
    private func up(_ value: Double) -> Double {
        height - bottom - (value - y.lowerBound) / max(y.upperBound - y.lowerBound, 1e-300) * (height - bottom - 12)
    }
    private func number(_ value: Double) -> String { fixed(value, decimals: 1) }

    mutating func line(_ points: [(x: Double, y: Double)], colour: String) {
        let path = points.map { "\(number(across($0.x))),\(number(up($0.y)))" }.joined(separator: " ")
        shapes.append("<polyline points=\"\(path)\" fill=\"none\" stroke=\"var(--\(colour))\" stroke-width=\"1.6\"/>")
    }

    mutating func bar(from low: Double, to high: Double, base: Double = 0, top: Double, colour: String, label: String = "") {
        let (a, b) = (across(low), across(high))
        let (y0, y1) = (up(max(base, top)), up(min(base, top)))
        shapes.append(
            "<rect x=\"\(number(a))\" y=\"\(number(y0))\" width=\"\(number(max(0.5, b - a - 1)))\" height=\"\(number(max(0.5, y1 - y0)))\" fill=\"var(--\(colour))\"><title>\(label)</title></rect>"
        )
    }

    mutating func mark(at value: Double, colour: String, label: String, dashed: Bool = true) {
        let place = number(across(value))
        let dash: Markup = dashed ? " stroke-dasharray=\"4 3\"" : ""
        shapes.append(
            "<line x1=\"\(place)\" x2=\"\(place)\" y1=\"12\" y2=\"\(number(height - bottom))\" stroke=\"var(--\(colour))\"\(dash)><title>\(label)</title></line>"
        )
    }

    mutating func dot(_ point: (x: Double, y: Double), colour: String, label: String) {
        shapes.append(
            "<circle cx=\"\(number(across(point.x)))\" cy=\"\(number(up(point.y)))\" r=\"2.6\" fill=\"var(--\(colour))\"><title>\(label)</title></circle>"
        )
    }

    private func label(_ x: Double, _ y: Double, _ anchor: String, _ text: String) -> Markup {
        "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\" font-size=\"11\" fill=\"var(--soft)\">\(text)</text>"
    }

    var markup: Markup {
        var axes: [Markup] = [
            "<path d=\"M\(number(left)) 12V\(number(height - bottom))H\(number(width - 12))\" fill=\"none\" stroke=\"var(--line)\"/>"
        ]
        for part in 0...4 {
            let share = Double(part) / 4
            let xValue = x.lowerBound + share * (x.upperBound - x.lowerBound)
            let yValue = y.lowerBound + share * (y.upperBound - y.lowerBound)
            axes.append(label(across(xValue), height - bottom + 14, "middle", significant(xValue, digits: 3)))
            axes.append(label(left - 6, up(yValue) + 4, "end", significant(yValue, digits: 3)))
        }
        axes.append(label((left + width) / 2, height - 4, "middle", xTitle))
        axes.append(label(4, 10, "start", yTitle))
        return
            "<svg viewBox=\"0 0 \(Int(width)) \(Int(height))\" role=\"img\" aria-label=\"\(yTitle) over \(xTitle)\" style=\"width:100%;height:auto\">\(axes)\(shapes)</svg>\n"
    }
}

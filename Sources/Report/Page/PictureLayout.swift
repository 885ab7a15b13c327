import Simulation

/// Where the boxes and lines of a picture of a network stand, in units of its view box.
struct PictureLayout {
    static let width = 1100.0
    let height: Double
    /// [boxes] centres.
    let places: [(x: Double, y: Double)]
    /// [tiers] boxes in the row.
    private let counts: [Int]
    /// Boxes that stand where they say.
    private let placed: Int

    init(_ picture: FabricPicture) {
        let top = picture.boxes.filter { $0.place == nil }.map { max(0, $0.tier) }.max() ?? 0
        let counts = (0...min(16, top)).map { tier in picture.boxes.count { $0.tier == tier && $0.place == nil } }
        let placed = picture.boxes.count { $0.place != nil }
        let height = placed > 0 ? 640.0 : 90 + 120 * Double(counts.count - 1)
        var seen = counts.map { _ in 0 }
        places = picture.boxes.map { box in
            if let place = box.place { return (30 + (Self.width - 60) * place.x, 15 + (height - 30) * place.y) }
            let tier = max(0, min(counts.count - 1, box.tier))
            defer { seen[tier] += 1 }
            return (Self.width * (Double(seen[tier]) + 0.5) / Double(max(1, counts[tier])), height - 45 - 120 * Double(tier))
        }
        self.height = height
        self.counts = counts
        self.placed = placed
    }

    func width(of box: FabricPicture.Box) -> Double {
        if box.place != nil { return placed > 100 ? 30 : placed > 32 ? 40 : 64 }
        return min(96, Self.width / Double(max(1, counts[max(0, min(counts.count - 1, box.tier))])) - 6)
    }

    /// One line, or two stubs that point away from each other where the cables lead round the edge.
    func lines(_ edge: FabricPicture.Edge) -> [(a: (x: Double, y: Double), b: (x: Double, y: Double))] {
        let (a, b) = (places[edge.lower], places[edge.upper])
        guard edge.wraps else { return [(a, b)] }
        let (x, y) = (b.x - a.x, b.y - a.y)
        let length = max(1, (x * x + y * y).squareRoot())
        // Beyond the box, which is wider than high.
        let (right, down) = ((placed > 100 ? 30 : 50) * x / length, 26 * y / length)
        return [(a, (a.x - right, a.y - down)), (b, (b.x + right, b.y + down))]
    }
}

import Quantities
import Simulation
import Studies

/// The section of a page about the links: a picture of the network, and the hottest links over time.
struct FabricSection {
    let fabric: FabricLoad
    /// Position of the run among those of the page.
    let index: Int

    var markup: Markup {
        guard !fabric.links.isEmpty else { return "" }
        let rows: [[Markup]] = fabric.links.map { link in
            let groups = Traffic.groups.filter { (link.byGroup[$0] ?? 0) > 0 }.joined(separator: ", ")
            return [
                .text(link.nameInWords), .text(groups), .text(bytes(link.bytes)), .text(percent(link.utilization)),
                .text(percent(link.series.max() ?? 0)),
            ]
        }
        return """
            <section><h2>Links of the network</h2>
            <p class="remark">Communication ran as flows that share the links. Utilization is of the nominal rate, over the whole step.</p>
            <div class="chart" data-chart="links" data-run="\(index)"><canvas aria-label="Utilization of the hottest links over the step"></canvas></div>
            \(Table(["Hottest links", "Groups", "Bytes in a step", "Utilization", "Peak"], numeric: [2, 3, 4], rows: rows).markup)
            \(waits)<h3>Topology by load</h3>\(Self.picture(fabric.picture))</section>

            """
    }

    private var waits: Markup {
        guard !fabric.waits.isEmpty else {
            return "<p class=\"remark\">No transfer had to wait for another: every collective ran as if it were alone.</p>"
        }
        let rows: [[Markup]] = fabric.waits.map { [.text($0.group), .text($0.rivalsInWords), .text($0.link), .text(time($0.seconds))] }
        return """
            <h3>Who waited for whom</h3><p class="remark">Time beyond the closed form, summed over the pipeline ranks of a replica; overlapped waits cost less.</p>
            \(Table(["Group", "Waited for", "At link", "Lost"], numeric: [3], rows: rows).markup)
            """
    }

    /// Tiers from the nodes up, or where the boxes say; every line is a bundle of cables in the colour of its fullest.
    static func picture(_ picture: FabricPicture?) -> Markup {
        guard let picture, !picture.boxes.isEmpty else {
            return "<p class=\"remark\">The network has too many links for a picture.</p>"
        }
        let layout = PictureLayout(picture)
        let width = PictureLayout.width
        let lines = picture.edges.map { edge -> Markup in
            let title =
                "\(picture.boxes[edge.lower].label) – \(picture.boxes[edge.upper].label): \(edge.cables) \(edge.cables == 1 ? "cable" : "cables"), up to \(percent(edge.utilization))"
            let drawn = layout.lines(edge).map { a, b -> Markup in
                "<line x1=\"\(fixed(a.x, decimals: 1))\" y1=\"\(fixed(a.y, decimals: 1))\" x2=\"\(fixed(b.x, decimals: 1))\" y2=\"\(fixed(b.y, decimals: 1))\" stroke=\"\(colour(edge.utilization))\" stroke-width=\"\(edge.cables > 8 ? "4" : "2.2")\"><title>\(title)</title></line>"
            }
            return drawn.reduce("") { $0 + $1 }
        }
        let boxes = picture.boxes.enumerated().map { index, box -> Markup in
            let (x, y) = layout.places[index]
            let each = layout.width(of: box)
            let high = box.place == nil ? 26.0 : 18
            let below = box.place == nil ? (box.tier == 0 ? 28.0 : -18) : 4
            let fill = box.utilization.map(colour) ?? "var(--surface)"
            let title = box.utilization.map { "\(box.label): links inside up to \(percent($0))" } ?? box.label
            let label = each < 44 ? shortLabel(box.label) : shortened(box.label, 18)
            return
                "<rect x=\"\(fixed(x - each / 2, decimals: 1))\" y=\"\(fixed(y - high / 2, decimals: 1))\" width=\"\(fixed(each, decimals: 1))\" height=\"\(fixed(high, decimals: 0))\" rx=\"4\" fill=\"\(fill)\" stroke=\"var(--line)\"><title>\(title)</title></rect><text x=\"\(fixed(x, decimals: 1))\" y=\"\(fixed(y + below, decimals: 1))\" text-anchor=\"middle\" font-size=\"10\" fill=\"var(--\(box.place == nil ? "soft" : "ink"))\">\(label)</text>"
        }
        let hidden: Markup =
            picture.hiddenNodes > 0
            ? "<p class=\"remark\">\(grouped(picture.hiddenNodes)) more are not drawn, nor the switches that only they hang on.</p>" : ""
        let legend = [0.02, 0.25, 0.5, 0.75, 0.95].map { share -> Markup in
            "<span><i class=\"swatch\" style=\"background:\(colour(share))\"></i>\(percent(share, decimals: 0))</span>"
        }
        return """
            <div class="legend">\(legend)</div><svg viewBox="0 0 \(fixed(width, decimals: 0)) \(fixed(layout.height, decimals: 0))" width="100%" role="img" \
            aria-label="Topology of the network, links coloured by utilization">\(lines)\(boxes)</svg>\(hidden)
            """
    }

    /// "leaf 3 of rail 7" as "3/7" where there is no room.
    private static func shortLabel(_ label: String) -> String {
        let numbers = label.split(separator: " ").filter { $0.contains(where: \.isNumber) }
        return numbers.isEmpty ? shortened(label, 6) : numbers.joined(separator: "/")
    }

    /// Green at rest, over yellow, to red when full.
    static func colour(_ share: Double) -> String {
        let bounded = share.isFinite ? max(0, min(1, share)) : 1
        return "hsl(\(fixed(130 * (1 - bounded), decimals: 0)), 62%, 48%)"
    }
}

extension LinkLoad {
    var nameInWords: String { alike > 0 ? "\(name) and \(grouped(alike)) alike" : name }
}

extension LinkWait {
    var rivalsInWords: String { rivals.isEmpty ? "its own flows" : rivals.joined(separator: ", ") }
}

extension FabricLoad {
    /// What the page's chart draws.
    func chart(step: Double) -> JSONValue {
        .object([
            ("width_s", .number(step / Double(Self.seriesCount))),
            (
                "rows",
                .array(
                    links.map { link in
                        .object([
                            ("name", .string(link.nameInWords)),
                            ("series", .array(link.series.map { .number(($0 * 1e4).rounded() / 1e4) })),
                        ])
                    })
            ),
        ])
    }
}

extension RunAnswer {
    /// The hottest links for a terminal, and who waited.
    func links(_ fabric: FabricLoad, _ style: TextStyle) -> String {
        let width = max(20, style.width - 32)
        var lines = fabric.links.map { link in
            "  \(padded(printable(link.nameInWords), width)) \(rightAligned(bytes(link.bytes), 11))"
                + " \(style.paint(rightAligned(percent(link.utilization), 8), link.utilization > 0.7 ? .red : .yellow))"
                + style.paint(rightAligned(percent(link.series.max() ?? 0, decimals: 0), 8), .dim)
        }
        if lines.isEmpty { lines = ["  nothing was sent"] }
        let waits = fabric.waits.prefix(5).map { wait in
            wrapped(
                "\(wait.group) lost \(time(wait.seconds)) to \(printable(wait.rivalsInWords)) at \(printable(wait.link))", after: "  ",
                width: style.width, indent: "    ")
        }
        return
            ([style.heading("Hottest links") + style.paint(" (bytes, utilization over the step, peak)", .dim)] + lines
            + (waits.isEmpty
                ? [] : [style.heading("Waits") + style.paint(" (beyond the closed form, summed over a replica's ranks)", .dim)] + waits))
            .joined(separator: "\n")
    }
}

"""Every string of the extension in Japanese."""

from __future__ import annotations

JAPANESE: dict[str, str] = {}

# The gallery
JAPANESE |= {
    "Gallery": "ギャラリー",
    "Show the textures large, over this editor, and pick by pointing": "このエディターの上にテクスチャを大きく並べ、指して選びます",
    "Click, 1–9": "クリック、1–9",
    "Pick This": "これを選ぶ",
    "Wheel": "ホイール",
    "Similar Ones": "似たもの",
    "Other Papers": "ほかの紙",
    "Backspace": "Backspace",
    "Step Back": "一歩戻る",
    "Keep This": "お気に入りに入れる",
    "Sequence Start": "シーケンスの始点",
    "Sequence End": "シーケンスの終点",
    "Cancel": "キャンセル",
    "Leave Gallery": "ギャラリーを閉じる",
    "Drawing a larger sheet": "大きなシートを描画しています",
    "A larger sheet, {width:.1f} mm": "大きなシート、幅 {width:.1f} mm",
    "Enlarged, {width:.1f} mm": "拡大、幅 {width:.1f} mm",
    "Tiled 2 × 2, {width:.1f} mm": "2 × 2 に並べたもの、幅 {width:.1f} mm",
    "Kept as {name}": "「{name}」としてお気に入りに入れました",
    "Nothing to show here yet: press N to look around": "ここではまだ何も探していません。N を押すと周りを探します",
    "Only {count} of the textures here differ: go farther to see more": "ここで見分けがつくテクスチャは {count} 枚だけです。もっと遠くまで探すと増えます",
    "Pick the paper that comes closest to what you look for: the search goes there and looks around it": (
        "探しているものにいちばん近い紙を選んでください。検索はそこへ進み、その周りを探します"
    ),
    "Set Sequence End": "シーケンスの端を設定",
    "Make this texture an end of the sequence": "このテクスチャをシーケンスの端にします",
    "End": "端",
    "Which end of the sequence": "シーケンスのどちらの端か",
    "Where it starts": "始まるところ",
    "Where it ends": "終わるところ",
    "Index of the candidate; -1 takes the texture where the search stands": "候補の番号。-1 は検索の現在地のテクスチャ",
    "Where the sequence starts: a latent, packed": "シーケンスが始まる潜在ベクトル",
    "Where the sequence ends: a latent, packed": "シーケンスが終わる潜在ベクトル",
}

// emoji owns the shortcodes that the page can draw. Slack knows thousands; what is not here stays text, as an unknown
// shortcode does there.

const table = `
+1 👍|thumbsup 👍|-1 👎|thumbsdown 👎|100 💯|alarm_clock ⏰|alembic ⚗️|anchor ⚓|angry 😠|arrow_down ⬇️|arrow_left ⬅️|arrow_lower_right ↘️
arrow_right ➡️|arrow_up ⬆️|arrow_upper_right ↗️|arrows_counterclockwise 🔄|balloon 🎈|ballot_box_with_check ☑️|bangbang ‼️|bar_chart 📊|beetle 🐞
bell 🔔|no_bell 🔕|black_circle ⚫|black_large_square ⬛|large_black_square ⬛|blue_heart 💙|bomb 💣|book 📖|boom 💥|broken_heart 💔|bug 🐛|bulb 💡|calendar 📅|date 📅
card_file_box 🗃️|chart_with_downwards_trend 📉|chart_with_upwards_trend 📈|checkered_flag 🏁|clap 👏|clipboard 📋|clock1 🕐|clock9 🕘|cloud ☁️
coffee ☕|computer 💻|confetti_ball 🎊|construction 🚧|cry 😢|crystal_ball 🔮|desktop_computer 🖥️|disappointed 😞|dollar 💵|droplet 💧|earth_africa 🌍
ear 👂|electric_plug 🔌|email ✉️|envelope ✉️|exclamation ❗|heavy_exclamation_mark ❗|eyes 👀|file_folder 📁|fire 🔥|fire_engine 🚒|first_place_medal 🥇|ghost 👻|gear ⚙️|gift 🎁
globe_with_meridians 🌐|green_heart 💚|grey_exclamation ❕|grey_question ❔|grimacing 😬|grin 😁|grinning 😀|hammer 🔨|hammer_and_wrench 🛠️|wrench 🔧
heart ❤️|heavy_check_mark ✔️|heavy_minus_sign ➖|heavy_plus_sign ➕|heavy_dollar_sign 💲|heavy_multiplication_x ✖️|hourglass ⌛|hourglass_flowing_sand ⏳
house 🏠|hugging_face 🤗|information_source ℹ️|joy 😂|key 🔑|label 🏷️|large_blue_circle 🔵|blue_circle 🔵|large_green_circle 🟢|green_circle 🟢|large_yellow_circle 🟡|yellow_circle 🟡
large_orange_circle 🟠|orange_circle 🟠|red_circle 🔴|white_circle ⚪|large_purple_circle 🟣|large_green_square 🟩|large_red_square 🟥|large_yellow_square 🟨
large_blue_square 🟦|large_orange_square 🟧|link 🔗|lock 🔒|unlock 🔓|loudspeaker 📢|mag 🔍|mag_right 🔎|mega 📣|memo 📝|pencil 📝|pencil2 ✏️|money_with_wings 💸|moneybag 💰
moon 🌙|crescent_moon 🌙|muscle 💪|mute 🔇|new 🆕|newspaper 📰|no_entry ⛔|no_entry_sign 🚫|ok ✅|ok_hand 👌|one 1️⃣|two 2️⃣|three 3️⃣|open_mouth 😮|package 📦
page_facing_up 📄|partly_sunny ⛅|party_popper 🎉|tada 🎉|pause_button ⏸️|arrow_forward ▶️|black_square_for_stop ⏹️|pensive 😔|pill 💊|point_right 👉|point_down 👇|police_car 🚓|potable_water 🚰|pray 🙏|pushpin 📌|question ❓|rabbit 🐰|rainbow 🌈
raised_hands 🙌|raising_hand 🙋|recycle ♻️|repeat 🔁|robot_face 🤖|robot 🤖|rocket 🚀|rotating_light 🚨|runner 🏃|sad 😢|salt 🧂|scales ⚖️|scroll 📜|seedling 🌱|shield 🛡️|shrug 🤷
siren 🚨|skull 💀|sleeping 😴|zzz 💤|slightly_smiling_face 🙂|smile 😄|smiley 😃|snail 🐌|snowflake ❄️|sob 😭|sos 🆘|sparkles ✨|speech_balloon 💬|star ⭐|star2 🌟|stop_sign 🛑|stopwatch ⏱️|sunglasses 😎
sunny ☀️|sweat_smile 😅|telescope 🔭|thermometer 🌡️|thinking_face 🤔|thought_balloon 💭|timer_clock ⏲️|tornado 🌪️|traffic_light 🚥|trophy 🏆|turtle 🐢|umbrella ☂️|unamused 😒|vertical_traffic_light 🚦|warning ⚠️|wastebasket 🗑️|watch ⌚|wave 👋
weary 😩|whale 🐳|wheel_of_dharma ☸️|white_check_mark ✅|white_flag 🏳️|wink 😉|world_map 🗺️|x ❌|yellow_heart 💛|zap ⚡|negative_squared_cross_mark ❎|small_red_triangle 🔺|small_red_triangle_down 🔻|arrow_up_small 🔼|arrow_down_small 🔽|level_slider 🎚️|satellite 🛰️|satellite_antenna 📡|control_knobs 🎛️|abacus 🧮|receipt 🧾|coin 🪙|wood 🪵|bricks 🧱|ladder 🪜|bookmark 🔖|ledger 📒|spiral_calendar_pad 🗓️|mailbox 📫|inbox_tray 📥|outbox_tray 📤|door 🚪|hatching_chick 🐣|baby 👶|coffin ⚰️`;

const known = new Map(table.trim().split(/[|\n]/).map((pair) => pair.split(' ')));

export const emoji = (name) => known.get(name);

// shortcodes finds them in a text. Skin tones are not drawn.
export const shortcodes = /:([a-z0-9_+-]+)(?:::skin-tone-[2-6])?:/g;

// withEmoji replaces the shortcodes of a text.
export const withEmoji = (text) => text.replace(shortcodes, (all, name) => emoji(name) ?? all);
